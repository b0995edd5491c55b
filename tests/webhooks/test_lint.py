"""Webhook configurations against good practice: what is found, and what is not."""

import base64
import copy
import datetime as dt
import json
import pathlib
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given

import crds
from certs import authority
from schemagen import yaml
from tests.support import foundry, objects
from webhooks import configuration, lint

NOW = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
CA = authority.new_authority("test", now=NOW)
BUNDLE = base64.b64encode(CA.certificate_pem).decode()
SPARED = {
    "matchExpressions": [
        {
            "key": "kubernetes.io/metadata.name",
            "operator": "NotIn",
            "values": ["kube-system", "guards"],
        }
    ]
}
WEBHOOK: dict[str, Any] = {
    "name": "pods.guards.example.com",
    "admissionReviewVersions": ["v1"],
    "clientConfig": {
        "service": {"namespace": "guards", "name": "guard", "path": "/"},
        "caBundle": BUNDLE,
    },
    "failurePolicy": "Fail",
    "matchPolicy": "Equivalent",
    "namespaceSelector": SPARED,
    "sideEffects": "None",
    "timeoutSeconds": 5,
    "rules": [
        {
            "apiGroups": [""],
            "apiVersions": ["v1"],
            "operations": ["CREATE"],
            "resources": ["pods"],
        }
    ],
}


def configured(*webhooks: Any, kind: str = "ValidatingWebhookConfiguration") -> dict[str, Any]:
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": "guard"},
        "webhooks": [*webhooks],
    }


def rule(**members: Any) -> dict[str, Any]:
    return {"rules": [WEBHOOK["rules"][0] | members]}


def found(*documents: Any, now: dt.datetime = NOW) -> list[tuple[str, str]]:
    return [(one.level, one.rule) for one in lint.findings(documents, now)]


NO_SELECTOR: dict[str, Any] = {"namespaceSelector": {}}
FAULTS: dict[str, tuple[dict[str, Any], list[tuple[str, str]]]] = {
    "short name": ({"name": "guard"}, [("error", "name")]),
    "no timeout": ({"timeoutSeconds": None}, [("warning", "timeout")]),
    "long timeout": ({"timeoutSeconds": 25}, [("warning", "timeout")]),
    "timeout out of bounds": ({"timeoutSeconds": 31}, [("error", "timeout")]),
    "old reviews": ({"admissionReviewVersions": ["v1beta1"]}, [("error", "versions")]),
    "side effects": ({"sideEffects": "Some"}, [("error", "side-effects")]),
    "exact matching": ({"matchPolicy": "Exact"}, [("warning", "match-policy")]),
    "unsaid failure": ({"failurePolicy": None}, [("warning", "failure-policy")]),
    "leases": (
        NO_SELECTOR | rule(apiGroups=["coordination.k8s.io"], resources=["leases"]),
        [("error", "untouchable")],
    ),
    "everything": (
        NO_SELECTOR | rule(apiGroups=["*"], resources=["*"]),
        [
            ("error", "untouchable"),
            ("error", "everything"),
            ("error", "system-namespace"),
            ("error", "own-namespace"),
        ],
    ),
    "every status": (
        rule(apiGroups=["x.example.com"], resources=["*/*"]),
        [("warning", "subresources")],
    ),
    "deletion": (rule(operations=["DELETE"]), [("warning", "deletion")]),
    "deletion by the way": (
        rule(apiGroups=["x.example.com"], operations=["CREATE", "DELETE"]),
        [("warning", "deletion")],
    ),
    "deletion of whatever a group has": (
        rule(apiGroups=["x.example.com"], operations=["DELETE"], resources=["*"]),
        [("warning", "deletion")],
    ),
    "deletion of one kind, by a rule of its own": (
        rule(apiGroups=["x.example.com"], operations=["DELETE"]),
        [],
    ),
    "no rules": (rule(resources=[]), [("error", "rules")]),
    "kube-system under Fail": (
        NO_SELECTOR,
        [("error", "system-namespace"), ("error", "own-namespace")],
    ),
    "kube-system under Ignore": (
        NO_SELECTOR | {"failurePolicy": "Ignore"},
        [("warning", "system-namespace")],
    ),
    "no client": ({"clientConfig": {"caBundle": BUNDLE}}, [("error", "client")]),
    "plain http": (
        {"clientConfig": {"url": "http://guard.example.com", "caBundle": BUNDLE}},
        [("error", "url")],
    ),
    "url with a query": (
        {"clientConfig": {"url": "https://guard.example.com/?a=b", "caBundle": BUNDLE}},
        [("error", "url")],
    ),
    "no bundle": (
        {"clientConfig": {"url": "https://guard.example.com/"}},
        [("warning", "ca-bundle")],
    ),
    "bundle that is none": (
        {"clientConfig": {"url": "https://guard.example.com/", "caBundle": "Zm9v"}},
        [("error", "ca-bundle")],
    ),
}


@pytest.mark.parametrize(("fault", "expected"), FAULTS.values(), ids=FAULTS)
def test_fault_is_found_and_nothing_else(
    fault: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    webhook = {key: one for key, one in (WEBHOOK | fault).items() if one is not None}

    assert expected == found(configured(webhook))


def test_good_configuration_has_nothing_to_mend() -> None:
    assert [] == found(configured(WEBHOOK))


@pytest.mark.parametrize(
    "label",
    [
        {"matchLabels": {"guarded": "yes"}},
        {"matchExpressions": [{"key": "guarded", "operator": "Exists"}]},
    ],
)
def test_namespaces_with_a_label_leave_the_others_out(label: dict[str, Any]) -> None:
    assert [] == found(configured(WEBHOOK | {"namespaceSelector": label}))


def test_mutating_webhook_should_be_asked_again() -> None:
    value = configured(WEBHOOK, kind="MutatingWebhookConfiguration")

    assert [("warning", "reinvocation")] == found(value)


@pytest.mark.parametrize(
    ("days", "expected"),
    [(0, []), (350, [("warning", "ca-bundle")]), (4000, [("error", "ca-bundle")])],
)
def test_certificate_is_valid_for_a_while(days: int, expected: list[tuple[str, str]]) -> None:
    assert expected == found(configured(WEBHOOK), now=NOW + dt.timedelta(days=days))


def test_same_name_and_same_objects_twice() -> None:
    assert [("error", "name"), ("error", "name"), ("warning", "consolidate")] == found(
        configured(WEBHOOK, WEBHOOK)
    )


def test_timeouts_of_failing_webhooks_add_up() -> None:
    webhooks = [
        WEBHOOK
        | rule(resources=[f"things{number}"])
        | {"name": f"n{number}.example.com", "failurePolicy": "Ignore", "timeoutSeconds": 10}
        for number in range(4)
    ]

    assert [("warning", "timeout")] == found(configured(*webhooks))


def test_conversion_of_a_crd_is_looked_at() -> None:
    crd = {
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.example.com"},
        "spec": {
            "conversion": {
                "strategy": "Webhook",
                "webhook": {
                    "conversionReviewVersions": ["v1beta1"],
                    "clientConfig": {"url": "https://guard.example.com/convert"},
                },
            }
        },
    }

    assert [("error", "versions"), ("warning", "ca-bundle")] == found(crd)


@given(objects.ANYTHING, objects.ANYTHING, objects.ANYTHING)
def test_whatever_stands_there_is_looked_at(one: Any, other: Any, third: Any) -> None:
    webhook = copy.deepcopy(WEBHOOK) | {"rules": one, "clientConfig": other}

    for value in (one, configured(webhook), configured(third), {**configured(), "webhooks": one}):
        for finding in lint.findings([value], NOW):
            assert str(finding)


@pytest.mark.parametrize("api", [crds.api, foundry.api], ids=["platform", "foundry"])
def test_our_own_manifests_have_nothing_to_mend(api: Any) -> None:
    where = configuration.at_service("agents", "webhooks")

    made = configuration.manifests(api, where, certificate="agents/webhooks")

    assert [] == found(*made)


def test_command_finds_lists_and_says_how_many(tmp_path: pathlib.Path) -> None:
    listed = {"kind": "List", "items": [configured(WEBHOOK | {"sideEffects": "Some"})]}
    path = tmp_path / "list.yaml"
    path.write_text(yaml.dumps(listed))

    done = subprocess.run(
        [sys.executable, "-m", "webhooks", "lint", str(path), "--output", "json"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert 1 == done.returncode
    assert "side-effects" in [one["rule"] for one in json.loads(done.stdout)]
    assert "1 configurations: " in done.stderr
