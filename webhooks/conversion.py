"""Conversion as a pure function: a ConversionReview's request in, an answer out.

Objects are never refused for what they hold: a conversion that fails makes every list, watch and
even the deletion of the kind fail. Only what is no object of a served kind is an error.
"""

from schemagen import Api
from schemagen.problems import JSON, kind_of, quoted
from schemagen.versions import graph
from webhooks import reviews


class _ForeignObjectError(ValueError):
    """An object that is none of the API's; the API server reads this, a misconfiguration."""


def convert(api: Api, request: reviews.ConversionRequest) -> JSON:
    """The ConversionReview with every object in the desired version, in the same order."""
    objects = []
    for index, value in enumerate(request.objects):
        try:
            objects.append(_convert(api, value, request.desired_api_version))
        except _ForeignObjectError as error:
            return reviews.failed(request.envelope, f"{_place(index, value)}: {error}")
    return reviews.converted(request, objects)


def _convert(api: Api, value: JSON, desired: str) -> dict[str, JSON]:
    if type(value) is not dict:
        raise _ForeignObjectError(f"expected an object, got {kind_of(value)}")
    api_version, kind_name = value.get("apiVersion"), value.get("kind")
    source, target = api.find(api_version, kind_name), api.find(desired, kind_name)
    if source is None or target is None:
        wrong = quoted(desired if source else api_version)
        served = [
            f"{kind.name} {'/'.join(version.name for version in kind.versions)}" for kind in api
        ]
        raise _ForeignObjectError(
            f"expected one of {', '.join(served)} of {api.group}, "
            f"got {quoted(kind_name)} of {wrong}"
        )
    kind, version = source
    return graph.convert(api, kind, value, source=version.name, target=target[1].name).object


def _place(index: int, value: JSON) -> str:
    """Which object of the review is meant: its index, and its name where it has one."""
    metadata = value.get("metadata") if type(value) is dict else None
    name = metadata.get("name") if type(metadata) is dict else None
    namespace = metadata.get("namespace") if type(metadata) is dict else None
    if type(name) is not str:
        return f"objects[{index}]"
    return f"objects[{index}] ({f'{namespace}/' if type(namespace) is str else ''}{name})"
