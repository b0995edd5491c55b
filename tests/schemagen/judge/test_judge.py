"""The judge as a Python object: its verdicts, costs, and time limits."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

import crds
from schemagen import judge
from schemagen.crd import definitions
from tests.support import manifests

TEXT = {"type": "string"}
(KIND,) = (kind for kind in crds.api.kinds if kind.name == "AgentRun")
RUN = definitions.crd(crds.api, KIND, webhook={"url": "https://localhost/convert"})


@pytest.fixture(scope="module")
def oracle() -> Iterator[judge.Judge]:
    with judge.Judge(deadline_seconds=60) as opened:
        yield opened


@pytest.fixture(scope="module")
def runs(oracle: judge.Judge) -> Iterator[judge.Loaded]:
    with oracle.load(RUN) as loaded:
        yield loaded


@pytest.mark.parametrize("kind", crds.api.kinds, ids=lambda kind: kind.name)
def test_crds_are_accepted_within_their_costs(oracle: judge.Judge, kind: Any) -> None:
    definition = definitions.crd(crds.api, kind, webhook={"url": "https://localhost/convert"})

    verdict = oracle.check(definition, costs=True)

    assert (True, "") == (verdict.allowed, verdict.message)
    # Headroom for further rules: no rule takes more than a sixth of the limit.
    assert [] == [cost for cost in verdict.costs if cost.cost * 6 > cost.limit]


def test_cost_names_version_path_and_rule(oracle: judge.Judge) -> None:
    costs = oracle.check(RUN, costs=True).costs

    (prompt,) = (cost for cost in costs if "lowerAscii" in cost.rule and "step" not in cost.path)
    assert ("v1beta1", "spec.parameters.[]", "self.name.lowerAscii() != 'prompt'") == (
        prompt.version,
        prompt.path,
        prompt.rule,
    )
    assert 0 < prompt.cost < prompt.limit == 10_000_000


def test_refused_crd_cannot_be_loaded(oracle: judge.Judge) -> None:
    with pytest.raises(judge.JudgeError, match='Unsupported value: "Galaxy"'):
        oracle.load({**RUN, "spec": {**RUN["spec"], "scope": "Galaxy"}})


def test_stored_object_is_returned(runs: judge.Loaded) -> None:
    value = manifests.run("v1beta1", runtime={"type": "Workflow", "workflow": {}}, unknown=1)

    stored = runs.create(value, strict=False, stored=True).object

    assert {"type": "Workflow", "workflow": {"parallelism": 1}} == stored["spec"]["runtime"]
    assert "unknown" not in stored["spec"]


def test_unchanged_fault_may_stay(runs: judge.Loaded) -> None:
    old = manifests.run("v1beta1", retention={"ttl": "0s"})
    kept = manifests.run("v1beta1", retention={"ttl": "0s"}, priority=1)
    other = manifests.run("v1beta1", retention={"ttl": "0m"})

    assert [True, False, False] == [
        runs.update(kept, old).allowed,
        runs.update(other, old).allowed,
        runs.create(old).allowed,
    ]


def test_status_is_judged_apart(runs: judge.Loaded) -> None:
    old = manifests.run("v1beta1")
    bad = {**old, "status": {"phase": "Running", "phaseDetail": "x"}}

    verdict = runs.update_status(bad, old)

    assert ["status.phaseDetail"] == [cause.field for cause in verdict.causes]
    assert runs.update(bad, old).allowed, "an update of the object itself leaves the status out"


def alone(**version: Any) -> dict[str, Any]:
    """Return the CRD with its newest version alone, changed."""
    stored = next(one for one in RUN["spec"]["versions"] if one["storage"])
    spec = {**RUN["spec"], "versions": [{**stored, **version}]}
    del spec["conversion"]
    return {**RUN, "spec": spec}


def test_unknown_field_is_warned_of_where_it_is_not_refused(runs: judge.Loaded) -> None:
    value = manifests.run("v1beta1", unknown=1)

    verdict = runs.create(value, strict=False)

    assert (True, ('unknown field "spec.unknown"',)) == (verdict.allowed, verdict.warnings)
    assert (False, ()) == (runs.create(value).allowed, runs.create(value).warnings)


def test_deprecated_version_is_warned_of_whatever_the_verdict(oracle: judge.Judge) -> None:
    with oracle.load(alone(deprecated=True)) as loaded:
        verdicts = [loaded.create(manifests.run("v1beta1", retention=1)), loaded.create({})]

    words = "agents.proompteng.ai/v1beta1 AgentRun is deprecated"
    assert [(False, (words,))] * 2 == [(verdict.allowed, verdict.warnings) for verdict in verdicts]


def test_finalizer_without_a_domain_is_warned_of_once(runs: judge.Loaded) -> None:
    old = manifests.run("v1beta1")
    old["metadata"]["finalizers"] = ["mine"]

    assert [1, 0] == [len(runs.create(old).warnings), len(runs.update(old, old).warnings)]


def test_format_that_nobody_checks_is_warned_of(oracle: judge.Judge) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "format": "zzz"}}}
    crd_value = alone(schema={"openAPIV3Schema": schema}, selectableFields=[])

    assert ('unrecognized format "zzz"',) == oracle.check(crd_value).warnings
    assert () == oracle.check_update(crd_value, crd_value).warnings


def test_stored_version_cannot_go(oracle: judge.Judge) -> None:
    old = {**RUN, "status": {"storedVersions": ["v1alpha1", "v1beta1"]}}

    verdict = oracle.check_update(alone(), old)

    assert ["status.storedVersions[0]"] == [cause.field for cause in verdict.causes]
    assert oracle.check_update(alone(), RUN).allowed


def test_kind_of_a_crd_in_a_cluster_stays(oracle: judge.Judge) -> None:
    other = {**RUN, "spec": {**RUN["spec"], "names": {**RUN["spec"]["names"], "kind": "Other"}}}

    verdict = oracle.check_update(other, RUN)

    assert ["spec.names.kind"] == [cause.field for cause in verdict.causes]


def test_field_that_the_storage_version_lacks_is_lost(oracle: judge.Judge) -> None:
    versions = [
        {
            "name": name,
            "served": True,
            "storage": name == "v1",
            "schema": {"openAPIV3Schema": {"type": "object", "properties": {field: TEXT}}},
        }
        for name, field in (("v1", "old"), ("v2", "new"))
    ]
    names = {"plural": "things", "kind": "Thing"}
    thing = {
        "apiVersion": RUN["apiVersion"],
        "kind": RUN["kind"],
        "metadata": {"name": "things.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": names,
            "versions": versions,
        },
    }
    value = {"apiVersion": "example.com/v2", "kind": "Thing", "metadata": {"name": "a"}, "new": "x"}

    with oracle.load(thing) as loaded:
        verdict = loaded.create(value, stored=True)

    assert (True, None) == (verdict.allowed, verdict.object.get("new"))


def test_nonsense_is_a_verdict_and_no_crash(runs: judge.Loaded) -> None:
    nonsense: list[Any] = [None, [], 1, "x", {}, {"apiVersion": 1}, {"kind": "AgentRun"}]
    for value in nonsense:
        verdict = runs.create(value)

        assert (False, 400) == (verdict.allowed, verdict.code), value


def check_again_and_again(oracle: judge.Judge) -> None:
    for _ in range(1000):
        oracle.check(RUN, costs=True)


def test_verdict_is_aborted_at_its_deadline() -> None:
    # At most one of two ticks of its timer elapses; compiling 26 rules twice takes several.
    with judge.Judge(deadline_seconds=0.01) as hasty, pytest.raises(judge.JudgeTimeoutError):
        check_again_and_again(hasty)


def test_closed_judge_opens_again() -> None:
    with judge.Judge() as other:
        loaded = other.load(RUN)
        other.close()

        again = loaded.create(manifests.run("v1beta1"))

    assert again.allowed


def test_missing_judge_error_says_how_to_get_it() -> None:
    code = (
        "import pathlib\n"
        "from schemagen.judge import module\n"
        "module.find = lambda **_: None\n"
        "from schemagen import judge\n"
        "judge.Judge().check({})"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert "JudgeMissingError: expected the judge at " in done.stderr
    assert "run `make judge`" in done.stderr


def test_toolkit_loads_the_judge_lazily() -> None:
    code = "import sys, schemagen.cli.commands; print('wasmtime' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "False\n" == done.stdout


def test_what_makes_the_api_server_panic_is_refused(oracle: judge.Judge) -> None:
    """kube-apiserver 1.37 closes the connection; the judge must survive and report why."""
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {},
        "selectableFields": [{"jsonPath": ".spec.a"}],
    }
    odd = {**RUN, "spec": {**RUN["spec"], "versions": [version]}}

    verdict = oracle.check(odd)

    assert (False, 500) == (verdict.allowed, verdict.code)
    assert "the API server's own validation panics on this" in verdict.message
    assert oracle.check(RUN).allowed


@pytest.mark.parametrize("kind", ["ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"])
def test_registration_is_judged_as_its_kind(oracle: judge.Judge, kind: str) -> None:
    webhook = {
        "name": "a.example.com",
        "admissionReviewVersions": ["v1"],
        "clientConfig": {"url": "https://a.example.com"},
        "sideEffects": "None",
        "reinvocationPolicy": "IfNeeded",
    }
    value = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": "a"},
        "webhooks": [webhook],
    }

    strict, lax = oracle.check_registration(value), oracle.check_registration(value, strict=False)

    unknown = 'unknown field "webhooks[0].reinvocationPolicy"'
    is_mutating = kind == "MutatingWebhookConfiguration"
    assert is_mutating == strict.allowed == (unknown not in strict.message)
    assert (True, () if is_mutating else (unknown,)) == (lax.allowed, lax.warnings)


@pytest.mark.parametrize(
    ("expression", "alone", "about_a_lease"),
    [
        ("true", True, True),
        ("object.a == 1 || !false", True, True),
        ("request.resource.resource != 'leases'", None, False),
        ("has(request.subResource)", None, False),
        ("object != null", None, None),
        ("'text'", None, None),
        ("object.", None, None),
        (f"{'[0,1,2,3,4,5,6,7,8,9].map(a, ' * 5}a{')' * 5} != []", None, None),
    ],
)
def test_condition_is_decided_only_where_nothing_else_matters(
    oracle: judge.Judge,
    expression: str,
    alone: bool | None,  # noqa: FBT001 - the expected answer
    about_a_lease: bool | None,  # noqa: FBT001 - likewise
) -> None:
    request = {"resource": {"group": "coordination.k8s.io", "resource": "leases"}}

    decisions = [oracle.decide_condition(expression, known) for known in (None, request)]

    assert [alone, about_a_lease] == decisions
