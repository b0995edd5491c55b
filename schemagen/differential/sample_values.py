"""Values on which judges are known to differ, and plain ones for building objects."""

from collections.abc import Sequence
from typing import Final

from schemagen.problems import JSON

CHARACTERS: Final = (
    " ",
    "\n",
    "\0",
    "٣",
    "é",
    "İ",
    "\U0001f600",
    "-",
    ".",
    "/",
    "0",
    "A",
    "z",
    '"',
    "\\",
    "<",
)

INTEGERS: Final = {
    "int32": (0, 1, -1, 7, 2**31 - 1, -(2**31)),
    "int64": (0, 1, -1, 7, 2**31, 2**53 + 1, 2**63 - 1, -(2**63)),
}
NUMBERS: Final = (0, 0.5, -1.25, 1e-7, 1e21, 3, 2**53)
ODD_NUMBERS: Final = (
    *(0, -0.0, 1.0, 1.5, 1e3, 1.0000000001, 1.00000001, -1, 2**31, -(2**31) - 1, 2**53, 2**53 + 1),
    *(9007199254740991.0, 9007199254740992.0, 2**63 - 1, 2**63, 1e20, 10**20, 3.5e38, 1e300, 1e-7),
)
ANYTHING: Final[Sequence[JSON]] = (
    *(None, True, False, 0, 1, 1.0, 1.5, 2**63, "", "x", "5", "1.0", "true", "null"),
    *([], [None], [1], ["x"], {}, {"a": None}, {"a": 1}),
)
FREE_FORM: Final[Sequence[JSON]] = (
    *(
        "text",
        1,
        1.5,
        True,
        {},
        [],
        {"any": {"thing": [1, "two", {"three": 3.5}]}},
        [None, {"a": []}],
    ),
)
EMBEDDED: Final[Sequence[dict[str, JSON]]] = (
    {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one"}},
    {"apiVersion": "apps/v1", "kind": "Deployment"},
)
KEYS: Final = (
    "a",
    "b",
    "app",
    "example.com/name",
    "UPPER",
    "dash-ed",
    "under_score",
    "with space",
    "é",
)

_GOOD: Final[dict[str, Sequence[str]]] = {
    "bsonobjectid": ("507f1f77bcf86cd799439011",),
    "byte": ("aGVsbG8=", "YQ==", ""),
    "cidr": ("10.0.0.0/8", "2001:db8::/32", "10.0.0.1/24"),
    "creditcard": ("4111111111111111", "5105 1051 0510 5100"),
    "date": ("2026-02-28", "2024-02-29"),
    "date-time": ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05.678+01:00"),
    "duration": ("1h", "90s", "1h30m0.5s", "22 ns", "3 days"),
    "email": ("a@example.com", "Some One <a@example.com>"),
    "hexcolor": ("#fff", "00FF7f"),
    "hostname": ("example.com", "a-b.c"),
    "ipv4": ("10.1.2.3", "1.2.3.04"),
    "ipv6": ("::1", "2001:db8::1"),
    "isbn": ("0321751043", "978-0321751041"),
    "isbn10": ("0321751043",),
    "isbn13": ("978-0321751041",),
    "k8s-long-name": ("a.b-c.d", "x"),
    "k8s-short-name": ("a-b", "x9"),
    "mac": ("01:23:45:67:89:ab", "0123.4567.89ab"),
    "password": ("anything",),
    "rgbcolor": ("rgb(1,2,3)", "rgb(255, 255, 255)"),
    "ssn": ("111-22-3333",),
    "uri": ("https://example.com/a?b=c#d", "/path", "mailto:a@b"),
    "uuid": ("123e4567-e89b-12d3-a456-426614174000", "123E4567E89B12D3A456426614174000"),
    "uuid3": ("123e4567-e89b-32d3-a456-426614174000",),
    "uuid4": ("123e4567-e89b-42d3-a456-426614174000",),
    "uuid5": ("123e4567-e89b-52d3-a456-426614174000",),
}
_BAD: Final[dict[str, Sequence[str]]] = {
    "byte": ("a", "aGVsbG8", "a\nb=", "YQ==="),
    "cidr": ("10.0.0.0", "10.0.0.0/33", "::/129", "010.0.0.0/8"),
    "date": ("2026-2-28", "2023-02-29", "2026-02-28T00:00:00Z"),
    "date-time": (
        "2026-01-02",
        "2026-01-02T03:04:05",
        "2026-01-02 03:04:05Z",
        "2026-13-01T00:00:00Z",
    ),
    "duration": ("PT1H", "1", "1 parsec", "1h 2m", "-1h"),
    "email": ("a@", "@b", "a b@c"),
    "hostname": ("-a.b", "a..b", "a_b", "1.2.3.4", "é.com"),
    "ipv4": ("256.1.1.1", "1.2.3", "::1", "::ffff:1.2.3.4"),
    "ipv6": ("1.2.3.4", ":::", "fe80::1%eth0", "::ffff:1.2.3.4"),
    "k8s-short-name": ("A", "-a", "a" * 64),
    "mac": ("01:23:45:67:89", "01-23-45-67-89-ab-cd-ef"),
    "uri": ("example.com", "http://a b", ":", "%zz", "//host/path"),
    "uuid": (
        "{123e4567-e89b-12d3-a456-426614174000}",
        "urn:uuid:123e4567-e89b-12d3-a456-426614174000",
    ),
}
_NAMES = {"datetime": "date-time"}


def good(name: str) -> Sequence[str]:
    """Return strings in a format; any strings for unchecked formats."""
    return _GOOD.get(_NAMES.get(name, name), ("text", ""))


def all_of(name: str) -> Sequence[str]:
    """Return strings valid or nearly valid in a format, and those of every other format."""
    name = _NAMES.get(name, name)
    others = [text for texts in _GOOD.values() for text in texts]
    return (*good(name), *_BAD.get(name, ()), "", *others)
