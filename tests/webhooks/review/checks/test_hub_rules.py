"""What the newest version's schema refuses is refused or warned of in older versions, too."""

import copy
import json
from typing import Any, Literal

import pytest

import crds
from schemagen import Api, checking
from schemagen.versions.converter import Converter
from tests.support import manifests, workshop
from webhooks.review import admission, reviews, verdicts

BENCH: dict[str, Any] = {
    "apiVersion": "workshop.example.com/v1",
    "kind": "Bench",
    "metadata": {"name": "one", "namespace": "team"},
    "spec": {"replicas": 2},
}


def bench(**spec: Any) -> dict[str, Any]:
    return {**copy.deepcopy(BENCH), "spec": spec}


def reviewed(value: Any, old: Any = None, *, api: Api | None = None, **more: Any) -> Any:
    """The response of the validating webhook."""
    api = api or workshop.api()
    group, _, version = value["apiVersion"].partition("/")
    request = {
        "uid": "1",
        "kind": {"group": group, "version": version, "kind": value["kind"]},
        "name": value["metadata"]["name"],
        "operation": "CREATE" if old is None else "UPDATE",
        "object": value,
        "oldObject": old,
        **more,
    }
    review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
    asked = reviews.admission_request(json.dumps(review).encode())
    return verdicts.review_of(admission.decide(admission.validate, Converter(api), asked))[
        "response"
    ]


def causes(response: Any) -> list[tuple[str, str]]:
    found = response.get("status", {}).get("details", {}).get("causes", [])
    return [(cause["field"], cause["message"]) for cause in found]


MANY = ["a" * length for length in range(1, 52)]
TOO_FEW = "Invalid value: 0: spec.replicas in body should be greater than or equal to 1"
BROKEN: dict[str, tuple[dict[str, Any], tuple[str, str]]] = {
    "bound that moved": (
        {"replicas": 0},
        ("spec.replicas", TOO_FEW),
    ),
    "rule on an enum": ({"color": "green"}, ("spec.color", 'Invalid value: "Green": not green')),
    "rule on a unit": (
        {"waitSeconds": 7200},
        ("spec.waitSeconds", "Invalid value: expected an hour at most"),
    ),
    "item of a list that was a map": (
        {"labels": {"a": "x", "forbidden": "x"}},
        ("spec.labels[forbidden]", "Invalid value: expected another name"),
    ),
    "value of a map": (
        {"labels": {"app.kubernetes.io/name": "more than eight"}},
        ("spec.labels[app.kubernetes.io/name]", "Too long: may not be more than 8 bytes"),
    ),
    "pattern": (
        {"tools": ["saw", "Hammer"]},
        (
            "spec.tools[1]",
            'Invalid value: "Hammer": spec.tools[1] in body should match \'^[a-z]+$\'',
        ),
    ),
    "too many": (
        {"tools": MANY},
        ("spec.tools", "Too many: 51: must have at most 50 items"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_what_the_hub_refuses_is_refused_by_the_field_that_was_written(name: str) -> None:
    spec, cause = BROKEN[name]

    response = reviewed(bench(**spec))

    assert (False, [cause]) == (response["allowed"], causes(response))


@pytest.mark.parametrize("name", BROKEN)
def test_writer_of_a_lenient_version_is_warned(name: str) -> None:
    spec, (field, message) = BROKEN[name]

    response = reviewed(bench(**spec), api=workshop.api("warn"))

    assert {"uid": "1", "allowed": True, "warnings": [f"{field}: v2 refuses it: {message}"]} == (
        response
    )


@pytest.mark.parametrize("name", BROKEN)
def test_version_without_the_hubs_rules_takes_what_its_schema_takes(name: str) -> None:
    response = reviewed(bench(**BROKEN[name][0]), api=workshop.api("off"))

    assert {"uid": "1", "allowed": True} == response


@pytest.mark.parametrize("name", BROKEN)
def test_label_is_set_whatever_was_wrong_before(name: str) -> None:
    old = bench(**BROKEN[name][0])
    labelled = {**old, "metadata": {**old["metadata"], "labels": {"a": "b"}}}

    assert {"uid": "1", "allowed": True} == reviewed(labelled, old)


# A rule of the spec is judged again when anything of the spec changes, as the API server does it.
@pytest.mark.parametrize("name", sorted(BROKEN.keys() - {"rule on a unit"}))
def test_what_was_wrong_before_does_not_keep_other_fields_from_a_change(name: str) -> None:
    old, new = bench(**BROKEN[name][0]), bench(**{"owner": "me", **BROKEN[name][0]})

    assert {"uid": "1", "allowed": True} == reviewed(new, old)


@pytest.mark.parametrize("policy", ["refuse", "warn"])
def test_what_must_not_change_is_refused_however_lenient_the_version_is(
    policy: Literal["refuse", "warn"],
) -> None:
    new, old = bench(owner="you", replicas=0), bench(owner="me", replicas=0)

    response = reviewed(new, old, api=workshop.api(policy))

    assert [("spec.owner", 'Invalid value: "you": must not be changed')] == causes(response)


def test_what_must_not_change_is_refused_beside_bounds_that_are_only_warned_of() -> None:
    new, old = bench(owner="you", tools=MANY), bench(owner="me")

    response = reviewed(new, old, api=workshop.api("warn"))

    assert [("spec.owner", 'Invalid value: "you": must not be changed')] == causes(response)
    assert ["spec.tools: v2 refuses it: Too many: 51: must have at most 50 items"] == (
        response["warnings"]
    )


def test_hubs_own_objects_are_left_to_the_api_server() -> None:
    value = {**bench(size={"replicas": 0}), "apiVersion": "workshop.example.com/v2"}

    assert {"uid": "1", "allowed": True} == reviewed(value)


def test_problem_that_the_written_schema_has_is_told_once() -> None:
    response = reviewed(bench(owner="x" * 64))

    assert {"uid": "1", "allowed": True} == response  # the API server refuses it before


def test_status_is_judged_by_the_rules_of_the_status_only() -> None:
    old = {**bench(replicas=0), "status": {"note": "fine"}}
    new = {**bench(replicas=0), "status": {"note": "more than twenty letters"}}

    response = reviewed(new, old, subResource="status")

    assert [("status.note", "Too long: may not be more than 20 bytes")] == causes(response)
    assert reviewed(old, old, subResource="status")["allowed"]
    assert reviewed(new, old, subResource="status", api=workshop.api("warn"))["allowed"]


RESIDUE = "conversion.workshop.example.com/v2-residue"


def forged(entries: Any, **spec: Any) -> dict[str, Any]:
    value = bench(**spec)
    value["metadata"]["annotations"] = {RESIDUE: json.dumps(entries)}
    return value


@pytest.mark.parametrize("policy", ["refuse", "warn", "off"])
def test_value_that_no_schema_has_seen_is_refused_under_every_policy(
    policy: Literal["refuse", "warn", "off"],
) -> None:
    value = forged([{"at": ["spec", "size"], "was": {}, "is": {"burst": -4}}], replicas=2)

    response = reviewed(value, api=workshop.api(policy))

    message = (
        "spec.size.burst of v2: Invalid value: -4: spec.size.burst in body should be greater than "
        "or equal to 0; remove the annotation"
    )
    assert [(f"metadata.annotations[{RESIDUE}]", message)] == causes(response)


def test_value_that_the_hub_takes_comes_back_from_the_annotation() -> None:
    value = forged([{"at": ["spec"], "was": {}, "is": {"priority": 3}}], replicas=2)

    assert {"uid": "1", "allowed": True} == reviewed(value)


def test_annotation_that_is_forged_on_an_update_is_refused() -> None:
    value = forged([{"at": ["spec", "size"], "was": {}, "is": {"burst": -4}}], replicas=2)

    response = reviewed(value, bench(replicas=2), api=workshop.api("warn"))

    assert [f"metadata.annotations[{RESIDUE}]"] == [field for field, _ in causes(response)]


def test_answer_names_fifty_problems_and_counts_the_rest() -> None:
    response = reviewed(bench(labels={f"l{number:04}": "x" * 9 for number in range(1600)}))

    found = causes(response)
    assert ("spec.labels[l0000]", "Too long: may not be more than 8 bytes") == found[0]
    assert (51, ("", "and 1550 more")) == (len(found), found[-1])
    assert response["status"]["message"].endswith("; and 1550 more")


def test_many_places_take_few_conversions(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[Any] = []
    plain = admission.Subject.down

    def down(self: admission.Subject, hub: dict[str, Any]) -> dict[str, Any]:
        counted.append(hub)
        return plain(self, hub)

    monkeypatch.setattr(admission.Subject, "down", down)

    response = reviewed(bench(labels={f"l{number}": "x" * 9 for number in range(1600)}))

    assert not response["allowed"]
    assert len(counted) <= 2


# -------------------------------------------------------------------------- the platform's promise


def run(**spec: Any) -> dict[str, Any]:
    value = manifests.run("v1alpha1", **spec)
    value["metadata"]["namespace"] = "team"
    return value


def test_v1alpha1_takes_what_it_always_took_and_warns() -> None:
    response = reviewed(run(ttlSecondsAfterFinished=-5), api=crds.api)

    assert response["allowed"]


def test_refusal_of_a_v1alpha1_run_names_its_own_fields() -> None:
    accepted = {"status": {"phase": "Running"}}
    new, old = run(secrets=["b"]) | accepted, run(secrets=["a"]) | accepted

    response = reviewed(new, old, api=crds.api)

    assert ["spec.secrets"] == [field for field, _ in causes(response)]


def test_secrets_that_were_taken_away_are_named_as_they_were_written() -> None:
    accepted = {"status": {"phase": "Running"}}

    response = reviewed(run() | accepted, run(secrets=["a"]) | accepted, api=crds.api)

    assert ["spec.secrets"] == [field for field, _ in causes(response)]


FORGED = {
    "priority": {"priority": "high"},
    "suspend": {"suspend": "no", "cancel": {"a": 1}},
    "retention": {"retention": 17},
    "key of another type": {"idempotencyKey": {"a": 1}},
    "number that is too large": {"priority": 3_000_000_000},
}


@pytest.mark.parametrize("name", FORGED)
def test_forged_run_does_not_get_into_storage(name: str) -> None:
    """Conversion omits values of another type; values out of bounds are refused."""
    entry = {"at": ["spec"], "was": {}, "is": FORGED[name]}
    annotation = "conversion.agents.proompteng.ai/v1beta1-residue"
    value = run()
    value["metadata"]["annotations"] = {annotation: json.dumps([entry])}
    kind = next(one for one in crds.api if one.name == "AgentRun")

    response = reviewed(value, api=crds.api)

    stored = Converter(crds.api).way(kind, "v1alpha1", "v1beta1").plain(value)
    is_sound = checking.of_version(kind.hub).create(stored).allowed
    assert is_sound == response["allowed"]
    assert [] == causes(response) or (
        {f"metadata.annotations[{annotation}]"} == {field for field, _ in causes(response)}
    )
