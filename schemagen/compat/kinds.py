"""The kinds and versions that CRDs serve, found as kubectl finds them. Pure."""

import dataclasses
import difflib
from collections.abc import Iterable
from typing import Any

from schemagen.problems import JSON


@dataclasses.dataclass(frozen=True)
class Served:
    """A kind in a version that is served.

    Attributes:
        definition: The CRD.
        version: The version's name.
    """

    definition: dict[str, Any]
    version: str

    @property
    def name(self) -> str:
        """Return the CRD's name."""
        return str(self.definition["metadata"]["name"])

    @property
    def api_version(self) -> str:
        """Return ``GROUP/VERSION``."""
        return f"{self.definition['spec']['group']}/{self.version}"

    @property
    def is_namespaced(self) -> bool:
        """Return whether its objects have a namespace."""
        return bool(self.definition["spec"].get("scope") == "Namespaced")

    @property
    def is_converted(self) -> bool:
        """Return whether a webhook converts between versions."""
        return is_converted(self.definition)


def is_converted(definition: JSON) -> bool:
    """Return whether a webhook converts between a CRD's versions."""
    conversion = definition["spec"].get("conversion")
    strategy = conversion.get("strategy") if isinstance(conversion, dict) else None
    return bool((strategy or "None") != "None")


class Kinds:
    """The kinds of some CRDs."""

    def __init__(self, definitions: Iterable[dict[str, Any]]) -> None:
        self._known: dict[tuple[str, str], dict[str, Served]] = {}
        for definition in definitions:
            spec = definition["spec"]
            names = spec.get("names")
            kind = str(names.get("kind", "")) if isinstance(names, dict) else ""
            group = str(spec.get("group", ""))
            served = {
                version["name"]: Served(definition, version["name"])
                for version in spec["versions"]
                if version.get("served")
            }
            self._known.setdefault((group, kind), {}).update(served)
        self._groups = {group for group, _ in self._known}

    def find(self, value: dict[str, JSON]) -> Served | None:
        """Return an object's kind and version; kubectl takes a kind in lower case too."""
        group, _, version = str(value.get("apiVersion")).rpartition("/")
        for (known, kind), served in self._known.items():
            if known == group and value.get("kind") in {kind, kind.lower()} and version in served:
                return served[version]
        return None

    def is_known_group(self, value: dict[str, JSON]) -> bool:
        """Return whether an object is of a group of the CRDs."""
        return str(value.get("apiVersion")).rpartition("/")[0] in self._groups

    def hint(self, value: dict[str, JSON]) -> str:
        """Return what there is in place of a kind or version of a known group that is not."""
        group, _, version = str(value.get("apiVersion")).rpartition("/")
        kinds = {kind: served for (known, kind), served in self._known.items() if known == group}
        kind = str(value.get("kind"))
        named = next((name for name in kinds if name.lower() == kind.lower()), None)
        if named is not None and version in kinds[named]:
            return f"did you mean kind {named}?"
        if named is not None:
            versions = ", ".join(f"{group}/{name}" for name in kinds[named]) or "no version"
            return f"{named} is served in {versions}"
        close = difflib.get_close_matches(kind, kinds, n=1)
        if close:
            return f"did you mean kind {close[0]}?"
        return f"the kinds of {group} are {', '.join(sorted(kinds))}"
