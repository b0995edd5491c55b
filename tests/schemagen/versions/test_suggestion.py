"""Suggested conversions: what names and schemas tell, and what is asked."""

import pathlib
from typing import Any

import pytest

from schemagen import yaml
from schemagen.problems import JSON
from schemagen.versions import schema_places, verification
from schemagen.versions.declared import loading, suggestion
from schemagen.versions.schema_places import Node
from tests.support.forked_commands import Commands

DATA = pathlib.Path(__file__).parents[2] / "data/declared"

TEXT = {"type": "string"}
NUMBER = {"type": "integer"}
FLAG = {"type": "boolean"}


def listed(**properties: JSON) -> JSON:
    return {"type": "array", "items": fields(**properties)}


def fields(**properties: JSON) -> JSON:
    return {"type": "object", "properties": properties}


def words(*values: str) -> JSON:
    return {"type": "string", "enum": [*values]}


def whole(version: str, spec: JSON) -> Node:
    """The whole object of a version."""
    return schema_places.root(version, fields(spec=spec))


def moved(old: str, new: str, step: JSON = None) -> JSON:
    return {"move": {"from": old, "to": new} | ({"step": step} if step is not None else {})}


def same(path: str, step: JSON) -> JSON:
    return {"sameName": {"path": path, "step": step}}


CASES: dict[str, tuple[JSON, JSON, list[JSON]]] = {
    "the same fields": (fields(a=TEXT), fields(a=TEXT), []),
    "a field of one version": (fields(a=TEXT, b=TEXT), fields(a=TEXT), []),
    "a word more": (fields(cohort=TEXT), fields(cohortName=TEXT),
                    [moved("spec.cohort", "spec.cohortName")]),
    "into an object": (
        fields(keySize=NUMBER, keyType=TEXT),
        fields(privateKey=fields(size=NUMBER, type=TEXT)),
        [
            moved("spec.keySize", "spec.privateKey.size"),
            moved("spec.keyType", "spec.privateKey.type"),
        ],
    ),
    "a list with another name": (
        fields(muteIntervals=listed(name=TEXT)),
        fields(intervals=listed(name=TEXT)),
        [moved("spec.muteIntervals", "spec.intervals")],
    ),
    "in the items of a list": (
        fields(hooks=listed(timeoutSeconds=NUMBER)),
        fields(hooks=listed(timeout=TEXT)),
        [moved("spec.hooks[].timeoutSeconds", "spec.hooks[].timeout", "toDuration")],
    ),
    "the case of an enum": (
        fields(mode=words("read-only", "read-write")),
        fields(mode=words("ReadOnly", "ReadWrite", "Append")),
        [same("spec.mode", {"enumeration": {"read-only": "ReadOnly", "read-write": "ReadWrite"}})],
    ),
    "more values of an enum": (fields(m=words("A")), fields(m=words("A", "B")), []),
    "units of time": (fields(keepDays=NUMBER), fields(keepSeconds=NUMBER),
                      [moved("spec.keepDays", "spec.keepSeconds", {"scaled": 86400})]),
    "a larger unit": (fields(waitSeconds=NUMBER), fields(waitMinutes=NUMBER),
                      [moved("spec.waitSeconds", "spec.waitMinutes", {"scaled": "1/60"})]),
    "a singleton": (
        fields(parentRef=fields(name=TEXT)),
        {"type": "object", "properties": {"parentRefs": listed(name=TEXT)}},
        [moved("spec.parentRef", "spec.parentRefs", "single")],
    ),
    "strings become objects": (
        fields(checks={"type": "array", "items": TEXT}),
        fields(checks=listed(name=TEXT)),
        [same("spec.checks", {"wrap": "name"})],
    ),
    "a string becomes an object with a name": (
        fields(ref=TEXT),
        fields(ref=fields(name=TEXT, kind=TEXT)),
        [moved("spec.ref", "spec.ref.name")],
    ),
    "a boolean becomes an enum": (
        fields(tls=FLAG),
        fields(tls=words("Enabled", "Disabled")),
        [
            same(
                "spec.tls",
                {"mapped": [{"old": True, "new": "Enabled"}, {"old": False, "new": "Disabled"}]},
            )
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "steps"), CASES.values(), ids=[*CASES])
def test_steps_follow_from_names_and_schemas(old: JSON, new: JSON, steps: list[JSON]) -> None:
    found = suggestion.between(whole("v1beta1", old), whole("v1", new))

    assert (steps, []) == (found.steps, found.questions)


def test_a_map_that_becomes_a_list_has_no_order() -> None:
    old = fields(labels={"type": "object", "additionalProperties": TEXT})
    found = suggestion.between(
        whole("v1beta1", old), whole("v1", fields(labels=listed(name=TEXT, value=TEXT)))
    )

    step = same("spec.labels", {"mapToList": {"key": "name", "value": "value"}})
    assert {
        "from": "v1beta1",
        "to": "v1",
        "unordered": ["spec.labels"],
        "steps": [step],
    } == found.pair


ASKED: dict[str, tuple[JSON, JSON, list[str]]] = {
    "another name": (
        fields(instances=NUMBER),
        fields(replicas=NUMBER),
        [
            (
                "spec.instances: is it spec.replicas of v1 now? Then add: - move: {from: "
                "spec.instances, to: spec.replicas}"
            )
        ],
    ),
    "two new names that are as good": (
        fields(timeout=TEXT),
        fields(timeouts=fields(task=TEXT, end=TEXT)),
        [
            (
                "spec.timeout: which is the new name? Perhaps spec.timeouts.task of spec.timeout "
                "or spec.timeouts.end of spec.timeout; add a move, or none if it is gone"
            )
        ],
    ),
    "another type": (
        fields(image=TEXT),
        fields(image=fields(repository=TEXT)),
        [
            (
                "spec.image: which step converts it? It is a string in v1beta1 and an object in "
                "v1; until then unrelated keeps both"
            )
        ],
    ),
    "values of an enum that may be the same": (
        fields(when=words("Borrow", "Next")),
        fields(when=words("MayStop", "Next")),
        ["spec.when: are some of Borrow now MayStop?"],
    ),
    "a required field that is new": (
        fields(a=TEXT),
        fields(a=TEXT, size=NUMBER) | {"required": ["size"]},
        [
            (
                "spec.size: v1 requires it and v1beta1 has nothing like it: which value does an "
                "older object imply (implied)?"
            )
        ],
    ),
}


@pytest.mark.parametrize(("old", "new", "questions"), ASKED.values(), ids=[*ASKED])
def test_what_names_do_not_tell_is_asked(old: JSON, new: JSON, questions: list[str]) -> None:
    found = suggestion.between(whole("v1beta1", old), whole("v1", new))

    assert questions == [*map(str, found.questions)]


FILES = sorted((DATA / "crds").glob("*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_a_suggestion_can_be_served(
    path: pathlib.Path, commands: Commands, tmp_path: pathlib.Path
) -> None:
    out = tmp_path / "conversion.yaml"
    done = commands.run("schemagen", "suggest", str(path), "-o", str(out), cwd=tmp_path)

    assert 0 == done.code, done.err
    verification.check(loading.load([str(path)], [str(out)]))


def test_a_pair_of_versions_is_written_with_its_questions(commands: Commands) -> None:
    done = commands.run(
        *("schemagen", "suggest", str(DATA / "crds/clusterqueues.yaml"), "v1beta1", "v1beta2"),
        cwd=DATA,
    )

    (document,) = yaml.load_all(done.out.encode())
    found: Any = document["spec"]["conversions"]
    assert [("v1beta1", "v1beta2")] == [(pair["from"], pair["to"]) for pair in found]
    asked = [line for line in done.out.splitlines() if line.startswith("# QUESTION ")]
    question = "are some of Borrow now MayStopSearch?"
    path = "spec.flavorFungibility.whenCanBorrow"
    assert f"# QUESTION v1beta1 to v1beta2, {path}: {question}" in asked


def test_an_unknown_version_is_refused(commands: Commands) -> None:
    path = str(DATA / "crds/clusterqueues.yaml")
    done = commands.run("schemagen", "suggest", path, "v1", "v1beta2", cwd=DATA)

    assert 2 == done.code
    assert (
        "schemagen: expected a version of clusterqueues.public.example.com (v1beta1, v1beta2), "
        "got v1"
    ) == done.err.strip()
