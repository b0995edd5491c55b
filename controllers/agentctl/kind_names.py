"""The names by which users refer to kinds. Pure."""

from collections.abc import Mapping
from typing import Final

import crds
from controllers import kube
from controllers.agentctl.exits import CommandError
from crds import hub

# Names accepted in addition to the kinds' names, plurals and short names; messages have the first.
_ALIASES: Final[Mapping[str, tuple[str, ...]]] = {
    "AgentProvider": ("providers", "provider"),
    "AgentRun": ("runs", "run"),
    "ImplementationSource": ("sources", "source"),
    "ImplementationSpec": (
        *("implementations", "implementation", "impls", "impl"),
        *("specs", "spec"),
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
        # Runs first: they are what most users look for.
        kinds = sorted(crds.api, key=lambda kind: kind.name != "AgentRun")
        *words, last = (_ALIASES.get(kind.name, (kind.plural,))[0] for kind in kinds)
        raise CommandError(f"expected {', '.join(words)} or {last}, got {word!r}")
    return kind


def reference(kind: kube.Resource, name: str) -> str:
    """Return an object's reference as printed by ``-o name`` and accepted by kubectl."""
    return f"{kind.kind.lower()}.{kind.group}/{name}"
