"""What users of Agent v1alpha1 are warned of: what allows more than it seems, or does not count."""

from collections.abc import Iterator
from typing import Final

from schemagen import FieldPath, Problem
from schemagen.problems import JSON, quoted

SPEC: Final = FieldPath().member("spec")

# Lists that allow everything while they are empty.
ALLOW_LISTS: Final = (
    "allowedSecrets",
    "allowedServiceAccounts",
    "allowedImplementationSourceProviders",
)


def warnings(agent: JSON) -> Iterator[Problem]:
    """Empty allow lists, and variables that a later one replaces."""
    spec = agent.get("spec")
    if type(spec) is not dict:
        return
    security = spec.get("security")
    for name in ALLOW_LISTS:
        if type(security) is dict and security.get(name) == []:
            message = "an empty list allows everything; v1beta1 says so with mode AllowAll"
            yield Problem(SPEC.member("security").member(name), message)
    yield from _replaced(spec.get("env"))


def _replaced(env: JSON) -> Iterator[Problem]:
    """Variables that a later one of the same name replaces."""
    named = [
        (index, item["name"])
        for index, item in enumerate(env if type(env) is list else ())
        if type(item) is dict and type(item.get("name")) is str
    ]
    last = {name: index for index, name in named}
    for index, name in named:
        if last[name] != index:
            message = f"does not count: a later variable is called {quoted(name)} too"
            yield Problem(SPEC.member("env").key(index), message)
