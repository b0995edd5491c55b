"""Warnings for Agent v1alpha1: settings that allow more than they seem to, or are ignored."""

from collections.abc import Iterator
from typing import Final

from schemagen import FieldPath, Problem
from schemagen.problems import JSON, quoted

SPEC: Final = FieldPath().member("spec")

# Lists that allow everything if empty.
ALLOW_LISTS: Final = (
    "allowedSecrets",
    "allowedServiceAccounts",
    "allowedImplementationSourceProviders",
)


def warnings(agent: JSON) -> Iterator[Problem]:
    """Yield warnings for empty allow lists and for overridden variables."""
    spec = agent.get("spec")
    if type(spec) is not dict:
        return
    security = spec.get("security")
    for name in ALLOW_LISTS:
        if type(security) is dict and security.get(name) == []:
            message = "an empty list allows everything; in v1beta1, set mode AllowAll"
            yield Problem(SPEC.member("security").member(name), message)
    yield from _replaced(spec.get("env"))


def _replaced(env: JSON) -> Iterator[Problem]:
    """Yield warnings for variables overridden by a later one of the same name."""
    named = [
        (index, item["name"])
        for index, item in enumerate(env if type(env) is list else ())
        if type(item) is dict and type(item.get("name")) is str
    ]
    last = {name: index for index, name in named}
    for index, name in named:
        if last[name] != index:
            message = f"ignored: a later variable has the same name {quoted(name)}"
            yield Problem(SPEC.member("env").key(index), message)
