"""Nothing is lost between versions: for objects of the schema, and for objects that break it."""

import copy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import crds
from schemagen import Kind, canonical, structural
from schemagen.versions import graph
from tests.support import objects, pruning

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


def whole(kind: Kind, version_name: str, body: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Objects of a version around a drawn spec and status."""
    metadata = st.fixed_dictionaries(
        {"name": st.just("one")}, optional={"annotations": ANNOTATIONS.filter(bool)}
    )
    return st.builds(
        lambda meta, rest: {
            "apiVersion": f"{crds.api.group}/{version_name}",
            "kind": kind.name,
            "metadata": meta,
            **(rest if isinstance(rest, dict) else {}),
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


def there_and_back(kind: Kind, value: dict[str, Any], version: str, other: str) -> dict[str, Any]:
    """The value after a round trip in which the API server prunes each answer."""
    before = copy.deepcopy(value)
    forth = graph.convert(crds.api, kind, value, source=version, target=other)
    assert before == value, "the input was changed"
    assert forth.dropped_bytes == 0
    stored = pruning.pruned(crds.api, forth.object)
    back = graph.convert(crds.api, kind, stored, source=other, target=version)
    return back.object


def comparable(kind: Kind, value: dict[str, Any]) -> bytes:
    """Canonical bytes, keyed lists in the order of their names."""
    version = kind.versions[0].conversion
    assert version is not None
    if value["apiVersion"].endswith(kind.hub.name):
        for path in version.unordered:
            value = graph.sorted_at(value, path)
    return canonical.dumps(value)


CASES = [
    pytest.param(kind, version, other, id=f"{kind.name}-{version}-via-{other}")
    for kind in crds.api
    for version, other in (("v1alpha1", "v1beta1"), ("v1beta1", "v1alpha1"))
]
MANY = settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize(("kind", "version", "other"), CASES)
def test_objects_of_the_schema_come_back_as_they_were(kind: Kind, version: str, other: str) -> None:
    @MANY
    @given(whole(kind, version, bodies(kind, version)))
    def check(value: dict[str, Any]) -> None:
        value = pruning.with_ruled_status(value)

        back = there_and_back(kind, value, version, other)

        assert comparable(kind, value) == comparable(kind, back)

    check()


@pytest.mark.parametrize(("kind", "version", "other"), CASES)
def test_objects_that_break_the_schema_keep_their_spec_and_metadata(
    kind: Kind, version: str, other: str
) -> None:
    @MANY
    @given(whole(kind, version, objects.mangled(bodies(kind, version))))
    def check(value: dict[str, Any]) -> None:
        value.pop("status", None)

        back = there_and_back(kind, value, version, other)

        assert comparable(kind, value) == comparable(kind, back)

    check()
