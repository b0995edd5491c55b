"""``webhooks review -f``: the API server's result for a manifest, by file and line."""

import pathlib
import re

import pytest

from tests.support.forked_commands import Commands

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).parents[3]
SAMPLES = ROOT / "crds/samples"

GOOD = """\
apiVersion: example.com/v1
kind: Widget
metadata:
  name: one
spec:
  min: 3
"""
STORED = """\
apiVersion: example.com/v1
kind: Widget
metadata:
  name: one
  namespace: default
spec:
  min: 3
  color: Red
  max: 10
  note: a Red one
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A directory with the README's example."""
    readme = (ROOT / "README.md").read_text()
    found = re.search(r"<!-- example: (\S+) -->\n```python\n(.*?)```", readme, re.DOTALL)
    assert found is not None
    folder = tmp_path_factory.mktemp("widgets")
    (folder / found[1]).write_text(found[2])
    return folder


def test_object_is_shown_as_it_would_be_stored(commands: Commands, project: pathlib.Path) -> None:
    done = commands.run(
        *("webhooks", "review", "widgets:api", "-f", "-"), cwd=project, stdin=GOOD.encode()
    )

    assert (0, STORED, "") == (done.code, done.out, done.err)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (
            "  min: 3\n",
            "  min: -1\n",
            (
                ":6: Widget one: spec.min: Invalid value: -1: spec.min in "
                "body should be greater than or equal to 0"
            ),
        ),
        (
            "  min: 3\n",
            "  min: 11\n",
            ":5: Widget one: spec: Invalid value: min must not exceed max",
        ),
        (
            "  min: 3\n",
            "  max: 7\n  note: " + "ü" * 33 + "\n",
            ":7: Widget one: spec.note: expected at most 64 bytes of UTF-8, got 66",
        ),
        (
            "  min: 3\n",
            "  min: 3\n  colour: Red\n",
            (
                ':7: Widget one: Widget in version "v1" cannot '
                'be handled as a Widget: strict decoding error: unknown field "spec.colour"'
            ),
        ),
        (
            "/v1\n",
            "/v2\n",
            (
                ":1: Widget one: apiVersion: expected a served version "
                "(example.com/v1), got example.com/v2"
            ),
        ),
        ("  name: one\n", "  name: One\n", ":4: Widget One: metadata.name: Invalid value: "),
    ],
    ids=["bound", "rule", "bytes", "unknown", "version", "name"],
)
def test_refusal_names_file_and_line(
    commands: Commands, project: pathlib.Path, before: str, after: str, said: str
) -> None:
    path = project / "bad.yaml"
    path.write_text(GOOD.replace(before, after))

    done = commands.run("webhooks", "review", "widgets:api", "-f", "bad.yaml", cwd=project)

    assert (1, "") == (done.code, done.out)
    assert done.err.startswith(f"bad.yaml{said}")


def test_good_ones_are_shown_and_others_passed_over(
    commands: Commands, project: pathlib.Path
) -> None:
    bad = GOOD.replace("min: 3", "min: 11")
    other = "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\n"
    two = GOOD.replace("name: one", "name: two")
    (project / "all.yaml").write_text(f"{GOOD}---\n{bad}---\n{other}---\n{two}")

    done = commands.run("webhooks", "review", "widgets:api", "-f", "all.yaml", cwd=project)

    assert (1, f"{STORED}---\n{STORED.replace('name: one', 'name: two')}") == (done.code, done.out)
    assert [
        "all.yaml:12: Widget one: spec: Invalid value: min must not exceed max",
        "all.yaml:15: skipped: not a kind of example.com",
    ] == done.err.splitlines()


RULES = """\
from pydantic import Field
from schemagen import Api, FieldPath, Immutable, Kind, Problem, Resource, Rules, Spec, Version
from typing import Annotated


class GateSpec(Spec):
    level: int = 1
    owner: Annotated[str, Immutable()] | None = None


class Gate(Resource):
    spec: GateSpec = Field(default_factory=GateSpec)


def shrinks(new, old, facts):
    if old is not None and new["spec"]["level"] < old["spec"]["level"]:
        yield Problem(FieldPath((".spec", ".level")), "expected no less than before")


api = Api(
    "gates.example.com",
    (
        Kind(
            "Gate",
            "gates",
            (Version("v1", Gate, storage=True),),
            scope="Cluster",
            rules=Rules(validate=shrinks),
        ),
    ),
)
"""
GATE = """\
apiVersion: gates.example.com/v1
kind: Gate
metadata:
  name: east
spec:
  level: 2
  owner: a
"""


@pytest.fixture
def gates(tmp_path: pathlib.Path) -> pathlib.Path:
    (tmp_path / "gates.py").write_text(RULES)
    (tmp_path / "old.yaml").write_text(GATE)
    return tmp_path


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        (("level: 2", "level: 3"), 0, ""),
        (
            ("level: 2", "level: 1"),
            1,
            "new.yaml:6: Gate east: spec.level: expected no less than before\n",
        ),
        (
            ("owner: a", "owner: b"),
            1,
            'new.yaml:7: Gate east: spec.owner: Invalid value: "b": must not be changed\n',
        ),
    ],
)
def test_update_is_reviewed_against_the_old_object(
    commands: Commands, gates: pathlib.Path, change: tuple[str, str], code: int, said: str
) -> None:
    new = GATE.replace(*change)
    (gates / "new.yaml").write_text(new)

    done = commands.run(
        *("webhooks", "review", "gates:api", "-f", "new.yaml", "--old", "old.yaml"), cwd=gates
    )

    assert (code, said, "" if code else new) == (done.code, done.err, done.out)


def test_update_without_its_old_object_is_explained(
    commands: Commands, gates: pathlib.Path
) -> None:
    done = commands.run(
        *("webhooks", "review", "gates:api", "-f", "old.yaml", "--operation", "UPDATE"), cwd=gates
    )

    assert 2 == done.code
    assert "old.yaml:1: expected the current object in the cluster for an UPDATE" in done.err


@pytest.mark.parametrize(
    "arguments", [(), ("review.json", "-f", "old.yaml")], ids=["neither", "both"]
)
def test_review_or_manifest_is_asked_for(
    commands: Commands, gates: pathlib.Path, arguments: tuple[str, ...]
) -> None:
    done = commands.run("webhooks", "review", "gates:api", *arguments, cwd=gates)

    said = "webhooks: expected either a review's JSON or manifests with --file\n"
    assert (2, "", said) == (done.code, done.out, done.err)


@pytest.mark.parametrize("version", ["v1alpha1", "v1beta1"])
def test_samples_of_the_platform_are_taken(commands: Commands, version: str) -> None:
    """Each with its defaults; defaulting it again changes nothing."""
    paths = sorted((SAMPLES / version).glob("*.yaml"))
    files = [argument for path in paths for argument in ("-f", str(path))]

    first = commands.run("webhooks", "review", "crds:api", *files, cwd=ROOT)
    again = commands.run(
        *("webhooks", "review", "crds:api", "-f", "-"), cwd=ROOT, stdin=first.out.encode()
    )

    assert (0, 0) == (first.code, again.code), first.err + again.err
    assert first.out == again.out
    assert len(paths) <= first.out.count("\nkind: ")


ASKED = """\
from pydantic import Field
from schemagen import Api, FieldPath, Kind, Problem, Resource, Rules, Spec, Version


class DoorSpec(Spec):
    open: bool = False


class Door(Resource):
    spec: DoorSpec = Field(default_factory=DoorSpec)


def asked(new, old, facts):
    said = f"{facts.operation} by {facts.user.username} in {facts.namespace or 'no namespace'}"
    yield Problem(FieldPath((".spec", ".open")), said)


api = Api(
    "doors.example.com",
    (
        Kind(
            "Door",
            "doors",
            (Version("v1", Door, storage=True),),
            rules=Rules(validate=asked, operations=("CREATE", "UPDATE", "DELETE")),
        ),
    ),
)
"""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "CREATE by kubernetes-admin in default"),
        (("--user", "jo", "-n", "team-a"), "CREATE by jo in team-a"),
        (("--operation", "DELETE"), "DELETE by kubernetes-admin in default"),
    ],
    ids=["as it is", "another user", "deletion"],
)
def test_rules_are_told_how_the_manifest_comes(
    commands: Commands, tmp_path: pathlib.Path, arguments: tuple[str, ...], said: str
) -> None:
    (tmp_path / "doors.py").write_text(ASKED)
    door = (
        "apiVersion: doors.example.com/v1\nkind: Door\nmetadata:\n  name: a\nspec: {open: true}\n"
    )
    (tmp_path / "door.yaml").write_text(door)

    done = commands.run(
        "webhooks", *("review", "doors:api", "-f", "door.yaml", *arguments), cwd=tmp_path
    )

    assert (1, "") == (done.code, done.out)
    assert f"door.yaml:5: Door a: spec.open: {said}\n" == done.err


def test_rules_find_the_objects_that_were_taken_before(commands: Commands) -> None:
    folder = ROOT / "tests/data/policies"

    done = commands.run("webhooks", "review", "crds:api", "-f", "bypass.yaml", cwd=folder)

    by_others = [line for line in done.err.splitlines() if "spec.agentRef.name" in line]
    assert 1 == done.code
    assert [
        "Agent evil: spec.runDefaults.systemPrompt.secretKeyRef.name",
        "AgentProvider evil: spec.env[ROOTPW].valueFrom.secretKeyRef.name",
        "AgentProvider evil: spec.files[/steal].secretKeyRef.name",
        "AgentProvider evil: spec.workload.serviceAccountName",
    ] == sorted(line.split(": ", 3)[3].partition(": expected")[0] for line in by_others)
