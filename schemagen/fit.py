"""A CRD made small enough for ``kubectl apply`` by leaving descriptions out, the deepest first.

Client-side apply keeps the whole object in an annotation, and all annotations together may hold
256 KiB (apimachinery 1.37, TotalAnnotationSizeLimitB). Server-side apply needs none of this.
"""

import copy
import dataclasses
from collections.abc import Iterator
from typing import Any

from schemagen import gotext, keywords
from schemagen.keywords import Schema
from schemagen.problems import UserError

LIMIT_BYTES = 256 * 1024
_ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration"


class TooLargeError(UserError):
    """Even without descriptions a CRD does not fit: the API author reads this."""


@dataclasses.dataclass(frozen=True)
class Fitted:
    """A CRD that fits.

    Attributes:
        crd: The CRD.
        left_out: Places of the descriptions that it lost: ``v1beta1 spec.steps[].name``.
    """

    crd: dict[str, Any]
    left_out: tuple[str, ...]


def for_apply(crd: dict[str, Any]) -> Fitted:
    """Leave out as many descriptions as needed, the deepest and then the last first.

    Raises:
        TooLargeError: saying how large it is without any.
    """
    fitted = copy.deepcopy(crd)
    over = annotation_bytes(fitted) - LIMIT_BYTES
    left_out = []
    numbered = [*enumerate(_described(fitted))]
    for _, place in sorted(numbered, key=lambda one: (-len(one[1].path), -one[0])):
        if over <= 0:
            break
        text = place.node.pop("description")
        # The key, the text, a colon and a comma; the text once more quoted for the annotation.
        over -= len(gotext.marshalled({"description": text}).encode()) - 1
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
    """What the annotations of a CRD weigh once kubectl has applied it."""
    annotations = crd["metadata"].get("annotations", {})
    own = sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items())
    return own + len(_ANNOTATION) + len(gotext.marshalled(crd).encode()) + 1  # ends with a newline


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
