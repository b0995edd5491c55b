"""Field managers and the versions that they write, from ``metadata.managedFields``. Pure.

A version that an entry names cannot be removed from a CRD without harm: the API server converts the
object to it on every apply, and fails (kubernetes/kubernetes#111937).
"""

import dataclasses
from collections.abc import Iterator

from schemagen.problems import JSON


@dataclasses.dataclass
class Writer:
    """The entries of a field manager in a version.

    Attributes:
        manager: Its name: ``kubectl``, ``argocd-controller``.
        version: The version's name.
        objects: How many objects have such an entry.
        example: One of them.
        last: When it last wrote one, RFC 3339; empty if unknown.
    """

    manager: str
    version: str
    objects: int = 0
    example: str = ""
    last: str = ""


class Writers:
    """The field managers of many objects."""

    def __init__(self, group: str) -> None:
        self._group = group
        self._writers: dict[tuple[str, str], Writer] = {}

    def __iter__(self) -> Iterator[Writer]:
        return (self._writers[key] for key in sorted(self._writers))

    def take(self, value: JSON, subject: str) -> None:
        """Add the entries of an object."""
        entries = value["metadata"].get("managedFields")
        counted = set()
        for entry in entries if isinstance(entries, list) else ():
            if not isinstance(entry, dict):
                continue
            group, _, version = str(entry.get("apiVersion", "")).rpartition("/")
            if group != self._group:
                continue
            key = str(entry.get("manager", "")), version
            writer = self._writers.setdefault(key, Writer(*key, example=subject))
            writer.last = max(writer.last, str(entry.get("time") or ""))
            writer.objects += key not in counted
            counted.add(key)
