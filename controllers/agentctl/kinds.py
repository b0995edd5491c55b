"""The words by which users name kinds. Pure."""

from collections.abc import Mapping
from typing import Final

import crds
from controllers import kube
from controllers.agentctl.exits import CommandError
from crds import hub

# What `agentctl` has always taken, beside names, plurals and short names of the kinds.
_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
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
    found: dict[str, kube.Resource] = {}
    for kind in crds.api:
        resource = kube.Resource(crds.api.group, hub.VERSION, kind.plural, kind.name)
        words = (kind.name.lower(), kind.plural, *kind.short_names, *_WORDS.get(kind.name, ()))
        found |= dict.fromkeys(words, resource)
    return found


BY_WORD: Final = _resources()
"""Every word for a kind."""


def resource(word: str) -> kube.Resource:
    """The kind that a word means.

    Raises:
        CommandError: None.
    """
    found = BY_WORD.get(word.lower())
    if found is None:
        kinds = "runs, agents, providers, implementations, sources, memories or vcs"
        raise CommandError(f"expected {kinds}, got {word!r}")
    return found


def reference(kind: kube.Resource, name: str) -> str:
    """An object as ``-o name`` says it, and as kubectl reads it."""
    return f"{kind.kind.lower()}.{kind.group}/{name}"
