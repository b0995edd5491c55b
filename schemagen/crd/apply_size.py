"""Shrink a CRD to fit ``kubectl apply`` by dropping descriptions, deepest first.

Client-side apply stores the whole object in an annotation, and all annotations together may take
256 KiB (apimachinery 1.37, TotalAnnotationSizeLimitB). Server-side apply has no such limit.
"""

import copy
import dataclasses
from collections.abc import Iterator
from typing import Any

from schemagen import go_format
from schemagen.problems import UserError
from schemagen.schema import keywords
from schemagen.schema.keywords import Schema

LIMIT_BYTES = 256 * 1024
_ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration"


class TooLargeError(UserError):
    """A CRD does not fit even without descriptions. Read by the API author."""


@dataclasses.dataclass(frozen=True)
class Fitted:
    """A CRD within the limit.

    Attributes:
        crd: The CRD.
        left_out: Places of dropped descriptions: ``v1beta1 spec.steps[].name``.
    """

    crd: dict[str, Any]
    left_out: tuple[str, ...]


def for_apply(crd: dict[str, Any]) -> Fitted:
    """Drop as many descriptions as needed, deepest first, then last first.

    Raises:
        TooLargeError: naming the size without any description.
    """
    fitted = copy.deepcopy(crd)
    over = annotation_bytes(fitted) - LIMIT_BYTES
    left_out = []
    numbered = [*enumerate(_described(fitted))]
    for _, place in sorted(numbered, key=lambda entry: (-len(entry[1].path), -entry[0])):
        if over <= 0:
            break
        text = place.node.pop("description")
        # The key, the text, a colon and a comma; the text quoted once more for the annotation.
        over -= len(go_format.marshalled({"description": text}).encode()) - 1
        if over <= 0:
            over = annotation_bytes(fitted) - LIMIT_BYTES
        left_out.append(f"{place.version} {place.shown}".strip())
    if over > 0:
        name = crd["metadata"]["name"]
        raise TooLargeError(
            f"{name}: expected at most {LIMIT_BYTES} bytes for kubectl apply, got "
            f"{annotation_bytes(fitted)} without any description; use kubectl apply --server-side, "
            "or serve fewer versions"
        )
    return Fitted(fitted, tuple(left_out))


def annotation_bytes(crd: dict[str, Any]) -> int:
    """Return the size of the CRD's annotations after kubectl apply."""
    annotations = crd["metadata"].get("annotations", {})
    own = sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items())
    return (
        own + len(_ANNOTATION) + len(go_format.marshalled(crd).encode()) + 1
    )  # ends with a newline


@dataclasses.dataclass(frozen=True)
class _Place:
    version: str
    path: tuple[str, ...]
    node: Schema

    @property
    def shown(self) -> str:
        return "".join(self.path).removeprefix(".")


def _described(crd: dict[str, Any]) -> Iterator[_Place]:
    for version in crd["spec"]["versions"]:
        for path, node in keywords.nodes(version["schema"]["openAPIV3Schema"]):
            if "description" in node:
                yield _Place(version["name"], path, node)
