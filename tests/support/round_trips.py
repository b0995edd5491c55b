"""Objects of two versions and back: what is drawn, what the API server does, what is compared."""

import copy
import itertools
from typing import Any

import msgspec
import orjson
from hypothesis import strategies as st

import crds
from schemagen import Kind, canonical
from schemagen.schema import structural
from schemagen.versions import defaulting, graph, schema_coverage
from schemagen.versions.converter import Converter
from tests.support import objects

CONVERTER = Converter(crds.api)

ANNOTATIONS = st.dictionaries(
    st.sampled_from(
        [
            "agents.proompteng.ai/retain",
            "agents.proompteng.ai/template",
            "example.com/note",
        ]
    ),
    st.sampled_from(["true", "false", "Yes", "keep", "x"]),
)

# Kinds with the version that an object starts in, and the one that it passes through.
CASES = [
    (kind, version, other)
    for kind in crds.api
    for version, other in itertools.permutations([served.name for served in kind.versions], 2)
]


def whole(kind: Kind, version_name: str, body: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Objects of a version around a drawn spec and status."""
    metadata = st.fixed_dictionaries(
        {"name": st.just("one")}, optional={"annotations": ANNOTATIONS.filter(bool)}
    )
    return st.builds(
        lambda meta, rest: {
            **(rest if isinstance(rest, dict) else {}),
            # An API server sends no object without these.
            "apiVersion": f"{crds.api.group}/{version_name}",
            "kind": kind.name,
            "metadata": meta,
        },
        metadata,
        body,
    )


def bodies(kind: Kind, version_name: str) -> st.SearchStrategy[Any]:
    """Specs and statuses of a version's schema."""
    version = kind.version(version_name)
    assert version is not None
    properties = structural.schema_of(version.model, descriptions=False)["properties"]
    return st.fixed_dictionaries(
        {"spec": objects.valid(properties["spec"])},
        optional={"status": objects.valid(properties["status"])},
    )


def of_the_schema(kind: Kind, version: str) -> st.SearchStrategy[Any]:
    """Objects that a version's schema allows."""
    return whole(kind, version, bodies(kind, version))


def breaking_the_schema(kind: Kind, version: str) -> st.SearchStrategy[Any]:
    """Objects that are no longer, or never were, what the schema allows."""
    return whole(kind, version, objects.mangled(bodies(kind, version)))


def there_and_back(kind: Kind, value: dict[str, Any], version: str, other: str) -> dict[str, Any]:
    """The value after a round trip in which the API server prunes and defaults each answer."""
    before = copy.deepcopy(value)
    forth = converted(kind, value, version, other)
    assert before == value, "the input was changed"
    return converted(kind, as_served(kind, forth, other), other, version)


def as_served(kind: Kind, value: dict[str, Any], version_name: str) -> dict[str, Any]:
    """An object as the API server makes it of what it has read: pruned, and with defaults.

    What is of another type than the schema's goes, too, and an object that had nothing else:
    residue cannot bring that back.
    """
    version = kind.version(version_name)
    assert version is not None
    return dict(defaulting.of(version.model).settle(schema_coverage.root_fit(version.model)(value)))


def converted(kind: Kind, value: dict[str, Any], source: str, target: str) -> dict[str, Any]:
    """The value in another version, the same with all care and at once."""
    found = graph.convert(crds.api, kind, value, source=source, target=target)
    assert found.dropped_bytes == 0
    raw = msgspec.Raw(canonical.dumps(value))
    at_once = CONVERTER.way(kind, source, target).at_once(raw)
    if at_once is not None:
        compiled = orjson.loads(at_once)
        assert canonical.dumps(found.object) == canonical.dumps(compiled)
    return found.object


def comparable(kind: Kind, value: dict[str, Any]) -> bytes:
    """Canonical bytes, keyed lists in the order of their names."""
    version = kind.versions[0].conversion
    assert version is not None
    if value["apiVersion"].endswith(kind.hub.name):
        node = defaulting.of(kind.hub.model)
        for path in version.unordered:
            value = graph.sorted_at(value, path, node)
    return canonical.dumps(value)


def assert_nothing_is_lost(kind: Kind, value: dict[str, Any], version: str, other: str) -> None:
    """Compare an object with what comes back."""
    back = there_and_back(kind, value, version, other)

    served, found = (comparable(kind, as_served(kind, one, version)) for one in (value, back))
    assert served == found


def assert_what_fits_comes_back(
    kind: Kind, value: dict[str, Any], version: str, other: str
) -> None:
    """Convert an object whatever its types, then look for all of it that has its schema's types.

    A value of another type finds no way and is no edit either, so what breaks a bound beside it is
    judged as beside an edit: only the object without it has to come back whole.
    """
    found = kind.version(version)
    assert found is not None
    there_and_back(kind, value, version, other)
    fitting = dict(schema_coverage.root_fit(found.model)(value))

    back = there_and_back(kind, fitting, version, other)

    assert is_within(as_served(kind, fitting, version), as_served(kind, back, version))


def is_within(part: Any, whole: Any) -> bool:
    """Whether all that a value says another one says, too."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(name in whole and is_within(one, whole[name]) for name, one in part.items())
    if isinstance(part, list) and isinstance(whole, list):
        return all(any(is_within(one, other) for other in whole) for one in part)
    return canonical.dumps(part) == canonical.dumps(whole)
