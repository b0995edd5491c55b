"""What only v1beta1 says survives an edit in v1alpha1, on the platform's kinds."""

from typing import Any

import pytest
from hypothesis import given

from crds import api
from schemagen import canonical
from schemagen.versions import graph
from schemagen.versions.defaulting import Node
from schemagen.versions.residue import differences, restoration
from tests.schemagen.versions.test_residue import NESTED

KEYED = Node(fields={"steps": Node(keys=("name",), items=Node())})
KINDS = {kind.name: kind for kind in api.kinds}


def converted(value: dict[str, Any], source: str, target: str) -> dict[str, Any]:
    return graph.convert(api, KINDS[value["kind"]], value, source=source, target=target).object


def edited(kind: str, before: dict[str, Any], edit: dict[str, Any]) -> dict[str, Any]:
    """A v1beta1 object after an edit of members of its spec in v1alpha1."""
    metadata = {"name": "x"}
    value = {"apiVersion": f"{api.group}/v1beta1", "kind": kind, "metadata": metadata, **before}
    old = converted(value, "v1beta1", "v1alpha1")
    new = converted({**old, "spec": {**old["spec"], **edit}}, "v1alpha1", "v1beta1")
    return {key: new[key] for key in before}


def test_settings_that_only_one_version_says_survive_the_removal_of_their_object() -> None:
    before = {"spec": {"adapter": {"type": "Exec", "exec": {"extra": {}}}}}

    assert before == edited("AgentProvider", before, {"adapter": {"type": "exec"}})


def test_status_that_breaks_its_schema_survives_a_spec_that_finds_no_way() -> None:
    before = {
        "spec": {"runner": {"command": "x"}, "adapter": {"type": "CodexAppServer"}},
        "status": {"conditions": [{}]},
    }

    found = edited("AgentProvider", before, {"adapter": {}})

    assert before["status"] == found["status"]


def test_item_beside_one_without_a_key_survives_another_list() -> None:
    kept = {"name": "Z", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}
    before = {"spec": {"env": [{}, kept]}}

    found = edited("Agent", before, {"env": [{"name": "A", "value": "b"}]})

    assert found == {"spec": {"env": [{"name": "A", "value": "b"}, kept]}}


@pytest.mark.parametrize("linear", [{}, {"project": "y"}])
def test_part_of_an_object_survives_where_the_rest_of_it_was_written(linear: Any) -> None:
    scope = {"organization": "x", "project": "x"}
    metadata = {"name": "x"}
    old = {
        "apiVersion": f"{api.group}/v1alpha1",
        "kind": "ImplementationSource",
        "metadata": metadata,
        "spec": {"scope": scope},
    }
    new = converted(old, "v1alpha1", "v1beta1")

    found = converted({**new, "spec": {**new["spec"], "linear": linear}}, "v1beta1", "v1alpha1")

    assert found["spec"] == {"provider": "linear", "scope": {"organization": "x", **linear}}


@given(NESTED, NESTED)
def test_difference_by_the_keys_of_a_schema_gives_the_wanted_object(base: Any, wanted: Any) -> None:
    entries = differences.between(base, wanted, KEYED)

    result = restoration.applied(base, entries, KEYED).value

    assert canonical.dumps(wanted) == canonical.dumps(result)
