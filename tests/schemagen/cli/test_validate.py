"""``schemagen validate``: the API server's messages with line numbers, offline."""

from typing import Protocol

import pytest

from crds.v1alpha1 import kinds
from schemagen import yaml
from schemagen.yaml import manifests
from tests.support.forked_commands import ROOT, Commands, Outcome

pytestmark = pytest.mark.slow


class Validate(Protocol):
    """``schemagen validate`` of the platform's API."""

    def __call__(self, *arguments: str, stdin: str = "") -> Outcome: ...


MANIFESTS = """\
# A good one, a bad one, one of another kind, and a list.
apiVersion: agents.proompteng.ai/v1beta1
kind: AgentRun
metadata: {name: good}
spec:
  agentRef: {name: a}
  runtime: {type: Job}
---
apiVersion: agents.proompteng.ai/v1alpha1
kind: AgentRun
metadata:
  name: bad
spec:
  agentRef:
    name: a
  implementationSpecRef: {name: i}
  runtime:
    type: magic
  workflow:
    steps:
      - name: one
      - nome: two
---
apiVersion: v1
kind: ConfigMap
metadata: {name: c}
---
---
apiVersion: v1
kind: List
items:
  - apiVersion: agents.proompteng.ai/v1beta1
    kind: AgentRun
    metadata: {name: listed}
    spec:
      agentRef: {name: a}
      implementation: {}
      runtime: {type: Job}
  - apiVersion: agents.proompteng.ai/v7
    kind: AgentRun
    metadata: {name: future}
"""


LINES = f"""\
standard input:9: warning: AgentRun bad: {kinds.deprecation("AgentRun")}
standard input:22: warning: AgentRun bad: unknown field "spec.workflow.steps[1].nome"
standard input:18: AgentRun bad: spec.runtime.type: Unsupported value: "magic": \
supported values: "workflow", "job", "temporal", "custom"
standard input:22: AgentRun bad: spec.workflow.steps[1].name: Required value
standard input:37: AgentRun listed: spec.implementation: Invalid value: \
exactly one of specRef, inline must be set
standard input:39: AgentRun future: \
no matches for kind "AgentRun" in version "agents.proompteng.ai/v7"
""".splitlines()


@pytest.fixture
def validate(commands: Commands) -> Validate:
    def run(*arguments: str, stdin: str = "") -> Outcome:
        given = stdin.encode()
        return commands.run("schemagen", "validate", "crds:api", *arguments, cwd=ROOT, stdin=given)

    return run


def test_samples_are_all_accepted(validate: Validate) -> None:
    samples = sorted((ROOT / "crds/samples").rglob("*.yaml"))

    done = validate(*(argument for path in samples for argument in ("-f", str(path))))

    objects = [one for path in samples for one in yaml.load_all(path.read_bytes())]
    older = [one for one in objects if one["apiVersion"].endswith("/v1alpha1")]
    assert (0, f"{len(objects)} would be accepted, 0 refused\n") == (done.code, done.err)
    assert len(older) == len(done.out.splitlines())
    assert all("v1alpha1" in line and "is deprecated" in line for line in done.out.splitlines())


def test_refusals_and_warnings_name_file_line_and_field(validate: Validate) -> None:
    done = validate("-f", "-", "--no-strict", stdin=MANIFESTS)

    assert LINES == done.out.splitlines()
    assert "1 would be accepted, 3 refused, 1 of other kinds skipped\n" == done.err
    assert 1 == done.code


def test_unknown_field_is_refused_as_kubectl_does(validate: Validate) -> None:
    done = validate("-f", "-", stdin=MANIFESTS)

    assert (
        'standard input:9: AgentRun bad: AgentRun in version "v1alpha1" cannot be handled as a '
        'AgentRun: strict decoding error: unknown field "spec.workflow.steps[1].nome"'
    ) in done.out.splitlines()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [1\n", "standard input:2: expected YAML"),
        ("- 1\n", "standard input:1: expected an object with apiVersion and kind, got a list"),
        (
            "a: b: c",
            "standard input:1: expected YAML: mapping values are not allowed in this context",
        ),
    ],
)
def test_invalid_manifest_is_reported(validate: Validate, text: str, words: str) -> None:
    done = validate("-f", "-", stdin=text)

    assert 2 == done.code
    assert words in done.err


@pytest.mark.parametrize(
    ("field", "line"),
    [
        ("spec.runtime.type", 18),
        ("spec.workflow.steps[1].name", 22),
        ("spec.workflow.steps[7].name", 20),
        ("spec.nowhere", 13),
        ("metadata.name", 12),
        ("<nil>", 9),
    ],
)
def test_field_has_its_line_or_that_of_what_should_hold_it(field: str, line: int) -> None:
    document = list(manifests.read(MANIFESTS.encode(), "x"))[1]

    assert line == document.line_of(field)
