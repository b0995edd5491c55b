"""``schemagen validate --crd``: any CRD, updates, folders, formats, and what an Api adds."""

import json
import pathlib
from collections.abc import Iterator
from typing import Annotated, Any
from xml.etree import ElementTree as ET

import pytest
from typer.testing import CliRunner, Result

from schemagen import (
    Api,
    Facts,
    FieldPath,
    Kind,
    MaxBytes,
    MaxEntries,
    Model,
    Policy,
    Problem,
    Resource,
    Rules,
    Spec,
    Version,
    judge,
    yaml,
)
from schemagen.cli import commands, validation
from schemagen.compat import api_rules, sources
from schemagen.crd import definitions

CRD = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget, listKind: WidgetList}
  versions:
  - name: v1
    served: true
    storage: true
    schema: &schema
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties:
              size: {type: integer, maximum: 9}
              color:
                type: string
                enum: [Red]
                x-kubernetes-validations: [{rule: self == oldSelf}]
  - {name: v1beta1, served: true, storage: false, schema: *schema}
  - {name: v1alpha1, served: false, storage: false, schema: *schema}
"""

TOO_LARGE = "spec.size in body should be less than or equal to 9"


def widget(name: str, version: str = "v1", kind: str = "Widget", **spec: Any) -> str:
    value = {"apiVersion": f"example.com/{version}", "kind": kind, "metadata": {"name": name}}
    return yaml.dumps({**value, "spec": spec})


@pytest.fixture(autouse=True)
def folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A working directory with a CRD."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "crd.yaml").write_text(CRD)
    (tmp_path / "objects").mkdir()
    return tmp_path


def validate(*arguments: str, **options: Any) -> Result:
    return CliRunner().invoke(commands.app, ["validate", *arguments], **options)


def write(**contents: str) -> None:
    for name, content in contents.items():
        pathlib.Path(f"objects/{name}.yaml").write_text(content)


def test_objects_of_a_crd_are_validated() -> None:
    write(good=widget("good", size=1), bad=widget("bad", "v1beta1", size=10))
    write(other=yaml.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}))

    done = validate("--crd", "crd.yaml", "-f", "objects")

    assert (
        "objects/bad.yaml:6: Widget bad: spec.size: Invalid value: 10: spec.size in body should be "
        "less than or equal to 9\n"
    ) == done.stdout
    assert "1 would be accepted, 1 refused, 1 of other kinds skipped\n" == done.stderr
    assert 1 == done.exit_code


def test_several_crds_and_patterns_are_read() -> None:
    other = CRD.replace("widgets", "gadgets").replace("Widget", "Gadget")
    pathlib.Path("other.yaml").write_text(other.replace("widget", "gadget"))
    write(one=widget("one", size=1), two=widget("two", kind="Gadget", size=1))

    done = validate("--crd", "*.yaml", "-f", "objects/o*", "-f", "objects/two.yaml")

    assert ("", "2 would be accepted, 0 refused\n", 0) == (
        done.stdout,
        done.stderr,
        done.exit_code,
    )


def test_crds_of_an_api_have_no_rules() -> None:
    (sample,) = yaml.load_all(
        pathlib.Path(__file__).parents[3].joinpath("crds/samples/v1beta1/agent.yaml").read_bytes()
    )
    write(agent=yaml.dumps(sample))

    assert 0 == validate("--crd", "crds:api", "-f", "objects").exit_code


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (widget("a", kind="Widgit"), "did you mean kind Widget?"),
        (widget("a", kind="WIDGET"), "did you mean kind Widget?"),
        (widget("a", kind="Zebra"), "the kinds of example.com are Widget"),
        (widget("a", "v1alpha1"), "Widget is served in example.com/v1, example.com/v1beta1"),
        (widget("a", "v2"), "Widget is served in example.com/v1, example.com/v1beta1"),
    ],
)
def test_kind_or_version_that_is_not_served_is_told_what_there_is(value: str, hint: str) -> None:
    write(a=value)

    done = validate("--crd", "crd.yaml", "-f", "objects")

    found = yaml.load_all(value.encode())[0]
    message = f'no matches for kind "{found["kind"]}" in version "{found["apiVersion"]}"; {hint}'
    assert f"objects/a.yaml:1: {found['kind']} a: {message}\n" == done.stdout
    assert 1 == done.exit_code


def test_unreadable_files_are_reported_and_the_rest_is_validated() -> None:
    write(a="a: [", b=widget("b", size=10), c=f"{widget('c')}---\n- 1\n")

    done = validate("--crd", "crd.yaml", "-f", "objects", "-f", "gone.yaml")

    assert ["objects/b.yaml:6: Widget b: spec.size"] == [
        line.partition(": Invalid")[0] for line in done.stdout.splitlines()
    ]
    assert [
        "1 would be accepted, 1 refused",
        "schemagen: objects/a.yaml:2: expected YAML: did not find expected node content",
        "schemagen: objects/c.yaml:7: expected an object with apiVersion and kind, got a list",
        "schemagen: expected to read gone.yaml: No such file or directory",
    ] == sorted(done.stderr.splitlines(), key=lambda line: (line[0] == "s", "gone" in line, line))
    assert 2 == done.exit_code


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "expected either MODULE:API or --crd, got neither"),
        (["crds:api", "--crd", "crd.yaml"], "expected either MODULE:API or --crd, got both"),
        (["--crd", "crd.yaml", "--rules"], "expected MODULE:API with --rules, got --crd"),
        (["--crd", "gone"], "expected a file, directory, MODULE:API, git REV:PATH"),
        (["--crd", "objects"], "expected a CustomResourceDefinition in objects, got Widget a"),
    ],
)
def test_wrong_arguments_are_explained(arguments: list[str], message: str) -> None:
    write(a=widget("a"))

    done = validate(*arguments, "-f", "objects/a.yaml")

    assert message in done.stderr
    assert 2 == done.exit_code


def test_empty_folder_is_no_success() -> None:
    done = validate("--crd", "crd.yaml", "-f", "objects")

    assert (1, "schemagen: expected objects to validate, got none\n") == (
        done.exit_code,
        done.stderr,
    )


# ------------------------------------------------------------------------------------------ updates


def test_update_is_judged_with_ratcheting_and_old_self() -> None:
    write(a=widget("a", size=10, color="Red") + "---\n" + widget("b", size=11))
    pathlib.Path("old.yaml").write_text(widget("a", size=10, color="Blue"))

    done = validate("--crd", "crd.yaml", "-f", "objects", "--old", "old.yaml")

    lines = [line.partition(": ")[2] for line in done.stdout.splitlines()]
    assert [
        "Widget a: spec.color: Invalid value: failed rule: self == oldSelf",
        f"Widget b: spec.size: Invalid value: 11: {TOO_LARGE}",
    ] == [line.replace('"Red": ', "") for line in lines]


def test_old_object_of_another_version_is_converted_without_a_webhook() -> None:
    write(a=widget("a", "v1beta1", size=10))
    pathlib.Path("old.yaml").write_text(widget("a", "v1", size=10))

    assert 0 == validate("--crd", "crd.yaml", "-f", "objects", "--old", "old.yaml").exit_code


def test_old_object_that_a_webhook_converts_is_expected_in_the_same_version() -> None:
    webhook = "{strategy: Webhook, webhook: {conversionReviewVersions: [v1], clientConfig: {url: "
    text = CRD.replace(
        "  versions:\n", f'  conversion: {webhook}"https://a.example/"}}}}}}\n  versions:\n'
    )
    pathlib.Path("crd.yaml").write_text(text)
    write(a=widget("a", "v1beta1", size=1))
    pathlib.Path("old.yaml").write_text(widget("a", "v1", size=1))

    done = validate("--crd", "crd.yaml", "-f", "objects", "--old", "old.yaml")

    assert (
        "expected the old object in example.com/v1beta1, or one that can be converted"
        in done.stdout
    )
    assert 1 == done.exit_code


# ------------------------------------------------------------------------------------------ formats


@pytest.fixture
def mixed() -> None:
    write(a=widget("a", size=1), b=widget("b", size=10), c="a: [")


@pytest.mark.usefixtures("mixed")
def test_json_has_a_finding_for_each_problem() -> None:
    done = validate("--crd", "crd.yaml", "-f", "objects", "-o", "json")

    invalid, unreadable = json.loads(done.stdout)["findings"]
    assert {
        "rule": "invalid",
        "level": "error",
        "message": "Invalid value: 10: spec.size in body should be less than or equal to 9",
        "source": "objects/b.yaml",
        "line": 6,
        "subject": "Widget b",
        "path": "spec.size",
        "reason": "FieldValueInvalid",
    } == invalid
    assert "unreadable" == unreadable["rule"]
    assert 2 == done.exit_code


@pytest.mark.usefixtures("mixed")
def test_junit_has_a_test_for_each_object() -> None:
    done = validate("--crd", "crd.yaml", "-f", "objects", "-o", "junit")

    suite = ET.fromstring(done.stdout)  # noqa: S314 - our own output
    assert ("3", "2") == (suite.get("tests"), suite.get("failures"))
    names = [case.get("name", "") for case in suite if case.find("failure") is None]
    assert ["objects/a.yaml: Widget a"] == names


@pytest.mark.usefixtures("mixed")
def test_sarif_has_places() -> None:
    done = validate("--crd", "crd.yaml", "-f", "objects/b.yaml", "-o", "sarif")

    (run,) = json.loads(done.stdout)["runs"]
    (result,) = run["results"]
    place = result["locations"][0]["physicalLocation"]
    assert {
        "artifactLocation": {"uri": "objects/b.yaml"},
        "region": {"startLine": 6},
    } == place
    assert (
        "The API server refuses an object."
        == (run["tool"]["driver"]["rules"][0]["shortDescription"]["text"])
    )


# ----------------------------------------------------------------------------------- beyond schemas


class Step(Model):
    text: Annotated[str, MaxBytes(8)]


class JobSpec(Spec):
    steps: list[Step] | None = None
    words: Annotated[dict[Annotated[str, MaxBytes(4)], str], MaxEntries(2)] | None = None
    size: int = 1
    ref: str | None = None


class Job(Resource):
    spec: JobSpec


def problems(value: Any, old: Any, facts: Facts) -> Iterator[Problem]:
    if value["spec"]["size"] > 5 and facts.user.username != "root":
        yield Problem(FieldPath((".spec", ".size")), "expected at most 5")
    if old is not None and old["spec"]["size"] > value["spec"]["size"]:
        yield Problem(FieldPath((".spec", ".size")), "expected not to shrink")
    ref = value["spec"].get("ref")
    if ref is not None and facts.find("Job", ref) is None:
        yield Problem(FieldPath((".spec", ".ref")), "expected a Job that exists")


def related(value: Any) -> Iterator[tuple[str, str]]:
    if "ref" in value["spec"]:
        yield "Job", value["spec"]["ref"]


API = Api(
    "jobs.example.com",
    (
        Kind(
            "Job",
            "jobs",
            (Version("v1", Job, storage=True),),
            rules=Rules(validate=problems, related=related),
            policies=(
                Policy(
                    "object.metadata.name != 'reserved' || request.userInfo.username == 'root'",
                    message_expression="'%s is not root'.format([request.userInfo.username])",
                ),
                Policy("oldObject == null || oldObject.spec.size < 100", "too large to change"),
                Policy("object.spec.size != 3 || object.spec.none == 1"),
                Policy("object.spec.size != 4 || namespaceObject.metadata.name == 'a'"),
            ),
        ),
    ),
)


def job(name: str = "a", **spec: Any) -> dict[str, Any]:
    metadata = {"name": name}
    return {"apiVersion": "jobs.example.com/v1", "kind": "Job", "metadata": metadata, "spec": spec}


@pytest.fixture(scope="module")
def oracle() -> Iterator[judge.Judge]:
    with judge.Judge(deadline_seconds=60) as opened:
        yield opened


def found(oracle: judge.Judge, *values: Any, old: Any = None, has_rules: bool = True) -> list[str]:
    options = validation.Options(
        rules=api_rules.ApiRules(API) if has_rules else None,
        old={} if old is None else {validation.identity(old): old},
    )
    report = validation.Report(API, oracle, options)
    text = "---\n".join(map(yaml.dumps, values)).encode()
    return [line.partition(": ")[2] for line in report.lines(text, "x.yaml")] + [report.summary]


GOOD = "1 would be accepted, 0 refused"
BAD = "0 would be accepted, 1 refused"
DENIED = (
    "ValidatingAdmissionPolicy 'v1.jobs.jobs.example.com' with binding "
    "'v1.jobs.jobs.example.com' denied request"
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (job(steps=[{"text": "ééé"}]), [GOOD]),
        (
            job(steps=[{"text": "a"}, {"text": "ééééé"}]),
            ["Job a: spec.steps[1].text: expected at most 8 bytes of UTF-8, got 10", BAD],
        ),
        (
            job(words={"éé": "a", "ééé": "b"}),
            ["Job a: spec.words[ééé]: expected at most 4 bytes of UTF-8, got 6", BAD],
        ),
        (job(size=6), ["Job a: spec.size: expected at most 5", BAD]),
        (job("reserved"), [f"Job reserved: {DENIED}: kubernetes-admin is not root", BAD]),
        (
            job(size=3),
            [
                (
                    f"Job a: {DENIED}: expression 'object.spec.size != 3 || object.spec.none == 1' "
                    "resulted in error: no such key: none"
                ),
                BAD,
            ],
        ),
        (
            job(ref="b"),
            [
                (
                    "note: Job a: expected Job b among the looked-up objects; name it in "
                    "Rules.related, and serve with --look-up"
                ),
                GOOD,
            ],
        ),
    ],
)
def test_api_refuses_what_no_schema_can(
    oracle: judge.Judge, value: dict[str, Any], expected: list[str]
) -> None:
    assert expected == found(oracle, value)


def test_policy_that_needs_a_cluster_is_named(oracle: judge.Judge) -> None:
    note, summary = found(oracle, job(size=4))

    assert note.startswith('note: Job a: expected a policy that runs offline, got "object.spec')
    assert note.endswith(": only a cluster knows namespaceObject")
    assert GOOD == summary


def test_rules_do_not_count_if_told_so(oracle: judge.Judge) -> None:
    assert [GOOD] == found(oracle, job("reserved", size=6), has_rules=False)


def test_update_keeps_what_was_wrong_before(oracle: judge.Judge) -> None:
    before = job(size=8, steps=[{"text": "ééééé"}])

    assert [GOOD] == found(oracle, before, old=before)
    assert ["Job a: spec.size: expected not to shrink", BAD] == found(
        oracle, job(size=7, steps=[{"text": "ééééé"}]), old=before
    )
    assert [f"Job a: {DENIED}: too large to change", BAD] == found(
        oracle, job(size=100), old=job(size=100)
    )


def test_rule_sees_the_objects_that_were_accepted_before(oracle: judge.Judge) -> None:
    assert ["2 would be accepted, 0 refused"] == found(oracle, job("b"), job("a", ref="b"))


def test_limit_of_entries_is_checked() -> None:
    rules = api_rules.ApiRules(API)

    (objection,) = rules.objections(job(words={"a": "", "b": "", "c": ""}, size=1), None)

    assert ("limit", "spec.words", "expected at most 2 entries, got 3") == (
        objection.rule,
        objection.path,
        objection.message,
    )


def test_crds_and_their_api_answer_alike(oracle: judge.Judge) -> None:
    (kind,) = API.kinds
    definition = sources.Definition(definitions.crd(API, kind), "crd.yaml")
    text = yaml.dumps(job(size="x")).encode()

    of_api = [*validation.Report(API, oracle).lines(text, "x")]
    of_crd = [*validation.Report([definition], oracle).lines(text, "x")]

    assert of_api == of_crd
    assert of_api
