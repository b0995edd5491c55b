"""A kind of the platform under test: whole objects, both conversions, the API server's judge.

What is the same for every kind is asserted here; what a kind means is said in its own test module.
"""

import copy
import dataclasses
import json
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

import crds
from schemagen import Kind, judge, yaml
from schemagen.crd import definitions
from schemagen.schema import structural
from schemagen.versions import graph
from tests.support import depth, objects, round_trips

OLD, NEW = "v1alpha1", "v1beta1"
OTHER = {OLD: NEW, NEW: OLD}
# Where an object keeps what its present version cannot say, by the version that can.
RESIDUE = {version: f"conversion.{crds.api.group}/{version}-residue" for version in OTHER}
SAMPLES = pathlib.Path(crds.__file__).parent / "samples"

VERSIONS = pytest.mark.parametrize("version", [OLD, NEW])
# What stands for a spec in a part of an object, or in one that breaks its schema.
NO_SPECS: list[Any] = [None, {}, [], "x"]
MANY = settings(
    max_examples=depth.draws(100),
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
# The cause beside those of an object whose rules were not run, since it breaks a bound already.
_NOT_RUN = (
    "Invalid value: null: some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation"
)
NOT_RUN = ("<nil>", _NOT_RUN)


@dataclasses.dataclass(frozen=True)
class Subject:
    """A kind under test.

    Attributes:
        name: Of the kind.
        minimal: The least spec in each version; both say the same.
    """

    name: str
    minimal: Mapping[str, dict[str, Any]]

    @property
    def kind(self) -> Kind:
        """The kind as the API has it."""
        (found,) = (kind for kind in crds.api if kind.name == self.name)
        return found

    def one(self, version: str, **spec: Any) -> dict[str, Any]:
        """A whole object of a version, with more in its spec."""
        return {
            "apiVersion": f"{crds.api.group}/{version}",
            "kind": self.name,
            "metadata": {"name": "one"},
            "spec": copy.deepcopy(self.minimal[version] | spec),
        }

    def up(self, **spec: Any) -> dict[str, Any]:
        """What becomes of a v1alpha1 object; residue stays in its annotation."""
        return convert(self.one(OLD, **spec))

    def down(self, **spec: Any) -> dict[str, Any]:
        """What becomes of a v1beta1 object; residue stays in its annotation."""
        return convert(self.one(NEW, **spec))

    def tampered(self, version: str, entries: Any, **spec: Any) -> dict[str, Any]:
        """An object of a version with an annotation that pretends to be residue."""
        annotations = {RESIDUE[OTHER[version]]: json.dumps(entries)}
        metadata = {"name": "one", "annotations": annotations}
        return {**self.one(version, **spec), "metadata": metadata}

    def definition(self) -> dict[str, Any]:
        """The kind's CRD."""
        return definitions.crd(crds.api, self.kind, webhook={"url": "https://localhost/convert"})

    def samples(self, version: str) -> list[dict[str, Any]]:
        """The published samples of a version."""
        path = SAMPLES / version / f"{self.name.lower()}.yaml"
        return yaml.load_all(path.read_bytes())


def convert(value: dict[str, Any]) -> dict[str, Any]:
    """An object in its other version."""
    found = crds.api.find(value["apiVersion"], value["kind"])
    assert found is not None
    kind, version = found
    target = OTHER[version.name]
    return graph.convert(crds.api, kind, value, source=version.name, target=target).object


def edited(value: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """The object after somebody wrote other fields into its spec."""
    return {**value, "spec": {**value["spec"], **spec}}


def judged(subject: Subject) -> Any:
    """A fixture: the API server's judge of a kind's objects."""

    @pytest.fixture(scope="module")
    def loaded() -> Iterator[judge.Loaded]:
        with judge.Judge(deadline_seconds=60) as asked, asked.load(subject.definition()) as found:
            yield found

    return loaded


def refusals(verdict: judge.Verdict) -> list[tuple[str, str]]:
    """The fields that an object is refused for, with what is said of each."""
    return [(cause.field, cause.message) for cause in verdict.causes]


def assert_definition_is_accepted(subject: Subject) -> None:
    """Ask the judge for a CRD; its costs are looked at in ``test_judge``, for every kind."""
    with judge.Judge(deadline_seconds=60) as asked:
        verdict = asked.check(subject.definition())

    assert judge.Verdict(allowed=True) == verdict


def assert_samples_are_taken(subject: Subject, loaded: judge.Loaded, version: str) -> None:
    """Ask the judge for the published samples, in both versions; they come back as they were."""
    for sample in subject.samples(version):
        written = loaded.create(sample, stored=True)
        there = loaded.create(convert(written.object), stored=True)

        assert ("", "") == (written.message, there.message)
        assert written.object["spec"] == convert(there.object)["spec"]
        assert_comes_back(sample)


def assert_comes_back(value: dict[str, Any]) -> None:
    """Compare an object as the API server sends it with what comes back from its other version.

    As it was written it converts as well, whatever is null or of another type in it.
    """
    found = crds.api.find(value["apiVersion"], value["kind"])
    assert found is not None
    kind, version = found
    convert(convert(value))
    round_trips.assert_nothing_is_lost(kind, served(value), version.name, OTHER[version.name])


def served(value: dict[str, Any]) -> dict[str, Any]:
    """An object as the API server sends it: pruned, and with its version's defaults."""
    found = crds.api.find(value["apiVersion"], value["kind"])
    assert found is not None
    kind, version = found
    return round_trips.as_served(kind, value, version.name)


def assert_both_say(older: dict[str, Any], newer: dict[str, Any]) -> None:
    """Compare two objects that say the same: neither needs an annotation for that."""
    assert newer == convert(older)
    assert older == convert(newer)


def assert_stands_aside(value: dict[str, Any], plain: dict[str, Any]) -> None:
    """Compare what the other version says plainly of an object that it cannot say as a whole.

    The rest stands aside in the one annotation that there is for it, and comes back.
    """
    there = convert(value)

    version = value["apiVersion"].rpartition("/")[2]
    assert plain["spec"] == there["spec"]
    assert [RESIDUE[version]] == list(there["metadata"]["annotations"])
    assert served(value) == served(convert(there))


def assert_counts_for_nothing(value: dict[str, Any], plain: dict[str, Any]) -> None:
    """Compare what the other version says of an object with nulls, or with values of wrong types.

    No client can write them, so no residue keeps them: forged residue could carry them as well.
    """
    there = convert(value)

    assert plain["spec"] == there["spec"]
    assert "annotations" not in there["metadata"]


def assert_part_gains_nothing(subject: Subject, version: str, spec: Any) -> None:
    """Convert an object with such a spec, and with none: what is not there is not invented."""
    value = subject.one(version) | {"spec": spec}
    bare = {name: item for name, item in value.items() if name != "spec"} | {"status": {}}

    assert isinstance(spec, dict) or "spec" not in convert(value)
    assert bare | {"apiVersion": f"{crds.api.group}/{OTHER[version]}"} == convert(bare)
    assert_comes_back(value)


def assert_status_comes_back(subject: Subject, version: str) -> None:
    """Convert drawn statuses: what the other version cannot say has an annotation of its own."""
    found = subject.kind.version(version)
    assert found is not None
    schema = structural.schema_of(found.model, descriptions=False)["properties"]["status"]
    allowed = {f"conversion.{crds.api.group}/{version}-status-residue"}

    @MANY
    @given(objects.valid(schema))
    def check(status: dict[str, Any]) -> None:
        value = {**subject.one(version), "status": status}

        there = convert(value)

        assert allowed >= set(there["metadata"].get("annotations", {}))
        assert value == convert(there)

    check()
