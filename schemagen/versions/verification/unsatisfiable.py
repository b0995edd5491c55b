"""Requirements of the newest version that no object of an older version can meet.

Found by trial: objects are generated from the older version's schema and converted; whatever the
newest schema refuses in all of them, for a missing field or by a rule, is unsatisfiable. Webhooks
would refuse every write in that version (``Version.hub_rules``).
"""

import random
from collections.abc import Iterator
from typing import Final

from schemagen.model import registry
from schemagen.problems import JSON, Cause
from schemagen.versions import graph, schema_coverage

# One object of the older version without any fault suffices for there to be no report.
_DRAWS: Final = 60

Fault = tuple[str, str]
"""A field without indexes, and the message."""


def lines(api: registry.Api) -> list[str]:
    """Return a line for each requirement that an older served version's objects can never meet."""
    return [
        f"{kind.name} {version.name}: expected objects that {kind.hub.name} can accept, "
        f"got {field or 'an object'} refused in all of them ({message}); give "
        f"{version.name} a field for it, {kind.hub.name} a default, or write "
        f'Version({version.name!r}, hub_rules="warn")'
        for kind in api
        for version in kind.versions[:-1]
        if version.served and version.hub_rules == "refuse"
        for field, message in sorted(of(api, kind, version))
    ]


def of(api: registry.Api, kind: registry.Kind, version: registry.Version) -> set[Fault]:
    """Return the faults of every object of a version after conversion to the newest."""
    from schemagen import checking  # noqa: PLC0415 - CEL takes longer to load than to ask seldom

    checker = checking.of_version(kind.hub)
    common: set[Fault] | None = None
    for value in _objects(api, kind, version):
        if not checking.of_version(version).create(value).allowed:
            continue
        hub = graph.convert(api, kind, value, source=version.name, target=kind.hub.name).object
        faults = {_fault(cause) for cause in checker.create(hub).causes if cause.path}
        common = faults if common is None else common & faults
        if not common:
            return set()
    return common or set()


def _fault(cause: Cause) -> Fault:
    names = [f".{part}" if isinstance(part, str) else "[]" for part in cause.path]
    return "".join(names).removeprefix("."), cause.message.partition(":")[0]


def _objects(
    api: registry.Api, kind: registry.Kind, version: registry.Version
) -> Iterator[dict[str, JSON]]:
    from schemagen.differential import generation  # noqa: PLC0415 - likewise

    draw = generation.Draw(random.Random(0), pool=3)  # noqa: S311 - nothing secret
    schema = schema_coverage.schema_of(version.model)
    head = {"apiVersion": api.api_version(version), "kind": kind.name, "metadata": {"name": "one"}}
    for _ in range(_DRAWS):
        value = draw.valid(schema)
        yield {**(value if isinstance(value, dict) else {}), **head}
