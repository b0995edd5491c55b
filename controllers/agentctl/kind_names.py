"""The names by which users refer to kinds. Pure."""

from collections.abc import Mapping
from typing import Final

import crds
from controllers import kube
from controllers.agentctl.exits import CommandError
from crds import hub

# Names accepted in addition to the kinds' names, plurals and short names.
_ALIASES: Final[Mapping[str, tuple[str, ...]]] = {
    "AgentProvider": ("provider", "providers"),
    "AgentRun": ("run", "runs"),
    "ImplementationSource": ("source", "sources"),
    "ImplementationSpec": (
        *("impl", "impls", "implementation", "implementations"),
        *("spec", "specs"),
    ),
    "VersionControlProvider": ("vcs",),
}


def _resources() -> dict[str, kube.Resource]:
    resources: dict[str, kube.Resource] = {}
    for kind in crds.api:
        resource = kube.Resource(crds.api.group, hub.VERSION, kind.plural, kind.name)
        words = (kind.name.lower(), kind.plural, *kind.short_names, *_ALIASES.get(kind.name, ()))
        resources |= dict.fromkeys(words, resource)
    return resources


BY_WORD: Final = _resources()
"""Each accepted name of a kind."""


def resource(word: str) -> kube.Resource:
    """Return the kind with a name.

    Raises:
        CommandError: No kind has the name.
    """
    kind = BY_WORD.get(word.lower())
    if kind is None:
        kinds = "runs, agents, providers, implementations, sources, memories or vcs"
        raise CommandError(f"expected {kinds}, got {word!r}")
    return kind


def reference(kind: kube.Resource, name: str) -> str:
    """Return an object's reference as printed by ``-o name`` and accepted by kubectl."""
    return f"{kind.kind.lower()}.{kind.group}/{name}"
