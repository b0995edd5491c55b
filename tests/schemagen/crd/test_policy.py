"""Rules beyond schemas become ValidatingAdmissionPolicies, one for each version."""

from typing import Annotated

from pydantic import Field

from schemagen import Api, Kind, MaxBytes, Model, Policy, Resource, Spec, Version
from schemagen.crd import admission_policy
from webhooks.review.checks import limits


class Step(Model):
    text: Annotated[str, MaxBytes(10)]


class Job(Spec):
    namespace: Annotated[str, MaxBytes(5)] | None = None
    steps: list[Step] = Field(default_factory=list)
    values: dict[str, Annotated[str, MaxBytes(7)]] = Field(default_factory=dict)
    plain: Annotated[str, Field(max_length=3)] = ""


class Root(Resource):
    spec: Job


RULE = Policy("request.userInfo.username != 'mallory'", "not you", reason="Forbidden")
KIND = Kind("Job", "jobs", (Version("v1", Root, storage=True),), policies=(RULE,))
API = Api("work.example.com", (KIND,))


def test_each_version_has_a_policy_and_its_binding() -> None:
    found = [*admission_policy.policies(API)]

    assert [
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": "v1.jobs.work.example.com"},
            "spec": {
                "failurePolicy": "Fail",
                "matchConstraints": {
                    "matchPolicy": "Exact",
                    "resourceRules": [
                        {
                            "apiGroups": ["work.example.com"],
                            "apiVersions": ["v1"],
                            "operations": ["CREATE", "UPDATE"],
                            "resources": ["jobs"],
                        }
                    ],
                },
                "validations": [
                    {
                        "expression": "!(has(object.spec)) || !('namespace' in object.spec) || "
                        "bytes(object.spec['namespace']).size() <= 5",
                        "message": "spec.namespace: expected at most 5 bytes of UTF-8",
                        "reason": "Invalid",
                    },
                    {
                        "expression": "!(has(object.spec)) || !(has(object.spec.steps)) || "
                        "object.spec.steps.all(i0, !(has(i0.text)) || bytes(i0.text).size() <= 10)",
                        "message": "spec.steps[].text: expected at most 10 bytes of UTF-8",
                        "reason": "Invalid",
                    },
                    {
                        "expression": "!(has(object.spec)) || !(has(object.spec.values)) || "
                        "object.spec.values.all(k0, bytes(object.spec.values[k0]).size() <= 7)",
                        "message": "spec.values{}: expected at most 7 bytes of UTF-8",
                        "reason": "Invalid",
                    },
                    {
                        "expression": "request.userInfo.username != 'mallory'",
                        "message": "not you",
                        "reason": "Forbidden",
                    },
                ],
            },
        },
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": "v1.jobs.work.example.com"},
            "spec": {"policyName": "v1.jobs.work.example.com", "validationActions": ["Deny"]},
        },
    ] == found


def test_a_version_without_such_rules_has_no_policy() -> None:
    class Bare(Resource):
        spec: Spec

    kind = Kind("Bare", "bares", (Version("v1", Bare, storage=True),))

    assert [] == [*admission_policy.policies(Api("work.example.com", (kind,)))]


def test_bytes_of_keys_are_counted_too() -> None:
    class Labelled(Resource):
        labels: dict[Annotated[str, MaxBytes(4)], str] = Field(default_factory=dict)

    kind = Kind("Labelled", "labelleds", (Version("v1", Labelled, storage=True),))

    found, _ = admission_policy.policies(Api("work.example.com", (kind,)))

    assert [
        {
            "expression": "!(has(object.labels)) || object.labels.all(k0, bytes(k0).size() <= 4)",
            "message": "labels: expected at most 4 bytes of UTF-8 in each key",
            "reason": "Invalid",
        }
    ] == found["spec"]["validations"]
    value = {"labels": {"ab": "", "é€": "", "abcd": ""}}
    (problem,) = limits.problems(Labelled, value, None)
    assert "labels[é€]: expected at most 4 bytes of UTF-8, got 5" == str(problem)
