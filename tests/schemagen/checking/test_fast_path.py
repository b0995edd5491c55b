"""The fast path accepts only what the full checker accepts, and never an invalid value."""

import copy
import pathlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import crds
from schemagen import Version, checking, yaml
from schemagen.schema import structural
from tests.support import depth, foundry, manifests, objects, workshop

VERSIONS = {
    f"{kind.name} {version.name}": version
    for api in (crds.api, foundry.api, workshop.api())
    for kind in api
    for version in kind.versions
}
SAMPLES = sorted(pathlib.Path(crds.__file__).parent.glob("samples/v1beta1/*.yaml"))


def drawn(version: Version) -> st.SearchStrategy[Any]:
    schema = structural.schema_of(version.model, descriptions=False)["properties"]
    parts = {
        name: objects.valid(part) | objects.mangled(objects.valid(part))
        for name, part in schema.items()
        if name in {"spec", "status", "parts", "meltsAt"}
    }
    return st.fixed_dictionaries({}, optional=parts)


def whole(part: Any) -> Any:
    return {"apiVersion": "x/v1", "kind": "X", "metadata": {"name": "one"}, **part}


@pytest.mark.parametrize("name", VERSIONS)
def test_fast_path_accepts_only_valid_values(name: str) -> None:
    checker = checking.of_version(VERSIONS[name])

    @settings(max_examples=depth.draws(25), deadline=None)
    @given(drawn(VERSIONS[name]), drawn(VERSIONS[name]))
    def check(new: Any, old: Any) -> None:
        value, before = whole(new), whole(old)
        given_value = copy.deepcopy(value)

        if checker.is_fine(value):
            assert () == checker.create(value).causes
        if checker.is_fine(value, before):
            assert () == checker.update(value, before).causes
        assert given_value == value

    check()


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_samples_are_seen_to_be_fine_at_once(path: pathlib.Path) -> None:
    for value in yaml.load_all(path.read_bytes()):
        found = crds.api.find(value["apiVersion"], value["kind"])
        assert found is not None

        assert checking.of_version(found[1]).is_fine(value)


OLD = {"spec": {"colour": "Red", "holder": "me", "size": {"replicas": 3}}}
CHANGES: dict[str, tuple[dict[str, Any], bool]] = {
    "nothing": ({}, True),
    "a field": ({"wait": "5m"}, True),
    "what must not change": ({"holder": "you"}, False),
    "a bound": ({"size": {"replicas": 11}}, False),
    "a type that Python takes for another": ({"size": {"replicas": True}}, False),
    "a rule": ({"wait": "2h"}, False),
    "an unknown field": ({"unknown": 1}, False),
    "a null": ({"priority": None}, False),
    "a name twice": ({"tags": [{"name": "a"}, {"name": "a"}]}, False),
}


@pytest.mark.parametrize("name", CHANGES)
def test_an_update_is_seen_to_be_fine_or_is_looked_at_again(name: str) -> None:
    change, is_fine = CHANGES[name]
    checker = checking.of_version(workshop.api().kinds[0].hub)
    new = {"spec": {**OLD["spec"], **change}}

    assert is_fine == checker.is_fine(whole(new), whole(OLD))


def test_ratcheting_distinguishes_one_from_true() -> None:
    checker = checking.of_version(workshop.api().kinds[0].hub)
    old = whole({"spec": {"size": {"replicas": 11}}})
    true = whole({"spec": {"size": {"burst": True}}})

    assert checker.is_fine(old, old)
    assert not checker.is_fine(true, whole({"spec": {"size": {"burst": 1}}}))


def test_run_that_lacks_its_defaults_is_seen_to_be_fine() -> None:
    hub = crds.api.kinds[2].hub

    assert checking.of_version(hub).is_fine(manifests.run("v1beta1"))
