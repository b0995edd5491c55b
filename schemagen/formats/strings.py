"""String formats that the API server checks, by name.

apiextensions-apiserver 1.37, pkg/apiserver/validation/formats.go, lists the names; kube-openapi's
pkg/validation/strfmt defines them. Where that relies on Go's standard library, Go 1.26 is followed.
Strings must be valid Unicode: a lone surrogate has no UTF-8 form.
"""

import types
from collections.abc import Callable, Mapping

from schemagen.formats import addresses, codes, mail, names, times, uris

StringFormat = Callable[[str], bool]


def is_anything(text: str) -> bool:
    """Accept anything: ``password`` only tells user interfaces to hide the text."""
    del text
    return True


_CHECKED: dict[str, StringFormat] = {
    "bsonobjectid": codes.is_bson_object_id,
    "byte": codes.is_base64,
    "cidr": addresses.is_cidr,
    "creditcard": codes.is_credit_card,
    "date": times.is_date,
    "datetime": times.is_date_time,
    "duration": times.is_duration,
    "email": mail.is_email,
    "hexcolor": codes.is_hex_color,
    "hostname": names.is_hostname,
    "ipv4": addresses.is_ipv4,
    "ipv6": addresses.is_ipv6,
    "isbn": codes.is_isbn,
    "isbn10": codes.is_isbn10,
    "isbn13": codes.is_isbn13,
    "k8slongname": names.is_long_name,
    "k8sshortname": names.is_short_name,
    "mac": addresses.is_mac,
    "password": is_anything,
    "rgbcolor": codes.is_rgb_color,
    "ssn": codes.is_social_security_number,
    "uri": uris.is_uri,
    "uuid": codes.is_uuid,
    "uuid3": codes.is_uuid3,
    "uuid4": codes.is_uuid4,
    "uuid5": codes.is_uuid5,
}

STRING_FORMATS: Mapping[str, StringFormat] = types.MappingProxyType(
    _CHECKED
    | {
        "date-time": times.is_date_time,
        "k8s-long-name": names.is_long_name,
        "k8s-short-name": names.is_short_name,
    }
)
"""Checked formats, by documented spelling and by the spelling without dashes."""


def is_known(name: str) -> bool:
    """Whether the API server checks this string format, in any spelling.

    It ignores dashes anywhere: ``date-time``, ``datetime`` and ``d-a-t-e-time`` are the same.
    """
    return _normalised(name) in _CHECKED


def is_string_format(name: str, text: str) -> bool:
    """Whether the API server accepts the text for this format.

    True for unknown formats: it accepts them in a schema, warns, and checks nothing.
    """
    return _CHECKED.get(_normalised(name), is_anything)(text)


def _normalised(name: str) -> str:
    return name.replace("-", "")
