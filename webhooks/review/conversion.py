"""Conversion as a pure function: a ConversionReview's request in, a response out.

Objects are never refused for their content: a failed conversion fails every list, watch and even
deletion of the kind. Only what is not an object of a served kind is an error.
"""

import sys
from collections.abc import Generator
from typing import Final, TypeAlias, cast

import msgspec

from schemagen import Api
from schemagen.problems import JSON, kind_of, quoted
from schemagen.versions.converter import Converter, Way
from webhooks.review import reviews
from webhooks.review.verdicts import Converted, Failed


class _ForeignObjectError(ValueError):
    """An object of a kind that the API does not have, because of a misconfiguration."""


Turns: TypeAlias = Generator[None, None, Converted | Failed]
"""Yields while there is more to convert, and returns the verdict."""


def turns(converter: Converter, request: reviews.ConversionRequest, turn_bytes: int) -> Turns:
    """Convert every object of a ConversionReview to the desired version, in order.

    Yields after about ``turn_bytes`` of output.
    """
    objects: list[msgspec.Raw] = []
    dropped_bytes = 0
    left = turn_bytes
    for index, value in enumerate(request.objects):
        converted_json = _at_once(converter, value, request.desired_api_version)
        if converted_json is None:
            plain = reviews.decode(bytes(value)) if isinstance(value, msgspec.Raw) else value
            try:
                way = _way(converter, plain, request.desired_api_version)
            except _ForeignObjectError as error:
                position = _position(index, plain)
                return Failed(request.envelope, f"{position}: {error}")
            converted = way.with_care(plain)
            converted_json = converted.value
            dropped_bytes += converted.dropped_bytes
        objects.append(msgspec.Raw(converted_json))
        left -= len(converted_json)
        if left <= 0:
            left = turn_bytes
            yield
    return Converted(request, objects, dropped_bytes)


def convert(converter: Converter, request: reviews.ConversionRequest) -> Converted | Failed:
    """Convert without yielding."""
    remaining = turns(converter, request, sys.maxsize)
    while True:
        try:
            next(remaining)
        except StopIteration as end:
            return cast("Converted | Failed", end.value)


class _Head(msgspec.Struct):
    apiVersion: str  # noqa: N815 - the API's name
    kind: str


_HEAD: Final = msgspec.json.Decoder(_Head)


def _at_once(converter: Converter, value: msgspec.Raw | JSON, desired: str) -> bytes | None:
    """Convert quickly, if apiVersion and kind are readable and nothing can be lost."""
    if not isinstance(value, msgspec.Raw):
        return None
    way = converter.likely_way(value, desired)
    if way is not None:
        return way.at_once(value)
    try:
        head = _HEAD.decode(value)
        way = _way(converter, {"apiVersion": head.apiVersion, "kind": head.kind}, desired)
    except (msgspec.MsgspecError, _ForeignObjectError, RecursionError, UnicodeDecodeError):
        return None
    return way.at_once(value)


def _way(converter: Converter, value: JSON, desired: str) -> Way:
    api = converter.api
    if type(value) is not dict:
        raise _ForeignObjectError(f"expected an object, got {kind_of(value)}")
    api_version, kind_name = value.get("apiVersion"), value.get("kind")
    source, target = api.find(api_version, kind_name), api.find(desired, kind_name)
    if source is None or target is None:
        wrong = quoted(desired if source else api_version)
        raise _ForeignObjectError(
            f"expected a kind of {api.group} ({_served(api)}), got {quoted(kind_name)} of {wrong}"
        )
    return converter.way(source[0], source[1].name, target[1].name)


def _served(api: Api) -> str:
    return ", ".join(
        f"{kind.name} {'/'.join(version.name for version in kind.versions)}" for kind in api
    )


def _position(index: int, value: JSON) -> str:
    """Identify an object of the review by its index, and by its name if it has one."""
    metadata = value.get("metadata") if type(value) is dict else None
    name = metadata.get("name") if type(metadata) is dict else None
    namespace = metadata.get("namespace") if type(metadata) is dict else None
    if type(name) is not str:
        return f"objects[{index}]"
    return f"objects[{index}] ({f'{namespace}/' if type(namespace) is str else ''}{name})"
