"""Linting webhook configurations: findings, and configurations without any."""

import base64
import copy
import datetime as dt
import json
import pathlib
from typing import Any

import pytest
from hypothesis import example, given

import crds
from certs import authority
from schemagen import yaml
from tests.support import foundry, objects
from tests.support.forked_commands import Commands
from webhooks.cluster import configuration, lint

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


def expression(operator: str, *values: str, key: str = "guard") -> dict[str, Any]:
    given = {"values": [*values]} if values else {}
    return {"matchExpressions": [{"key": key, "operator": operator, **given}]}


def condition(*texts: str) -> dict[str, Any]:
    return {"matchConditions": [{"name": f"n{i}", "expression": e} for i, e in enumerate(texts)]}


NO_SELECTOR: dict[str, Any] = {"namespaceSelector": {}}
EVERYTHING = rule(apiGroups=["*"], apiVersions=["*"], operations=["*"], resources=["*"])
NAME = "kubernetes.io/metadata.name"
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
    "selection",
    [
        NO_SELECTOR,
        {"namespaceSelector": expression("NotIn", "yes")},
        {"namespaceSelector": expression("DoesNotExist")},
        {"namespaceSelector": expression("NotIn", "kube-system", key=NAME)},
        {"namespaceSelector": expression("Exists", key=NAME)},
        {"objectSelector": expression("NotIn", "yes")},
        {"objectSelector": expression("DoesNotExist")},
        condition("true"),
        condition("1 + 1 == 2", "!false"),
        condition("true || object.metadata.name == 'a'"),
        condition("[1, 2].exists(one, one == 2)"),
    ],
)
def test_what_leaves_nothing_out_by_itself_does_not_narrow(selection: dict[str, Any]) -> None:
    webhook = WEBHOOK | EVERYTHING | {"failurePolicy": "Ignore"} | NO_SELECTOR | selection

    assert {"untouchable", "everything"} <= {name for _, name in found(configured(webhook))}


@pytest.mark.parametrize(
    "selection",
    [
        {"namespaceSelector": expression("Exists")},
        {"namespaceSelector": expression("In", "team-a", key=NAME)},
        {"namespaceSelector": {"matchLabels": {NAME: "team-a"}}},
        {"objectSelector": expression("In", "yes")},
        {"objectSelector": {"matchLabels": {"guard": "yes"}}},
        condition("false"),
        condition("true", "object.metadata.name == 'a'"),
        condition("request.resource.resource == 'pods'"),
    ],
)
def test_what_asks_for_a_mark_narrows(selection: dict[str, Any]) -> None:
    webhook = WEBHOOK | EVERYTHING | {"failurePolicy": "Ignore"} | NO_SELECTOR | selection

    assert "everything" not in {name for _, name in found(configured(webhook))}


@pytest.mark.parametrize(
    ("selection", "is_spared"),
    [
        ({"namespaceSelector": expression("DoesNotExist")}, False),
        ({"namespaceSelector": {"matchLabels": {NAME: "kube-system"}}}, False),
        ({"namespaceSelector": expression("Exists", key=NAME)}, False),
        ({"namespaceSelector": expression("NotIn", "kube-node-lease", key=NAME)}, False),
        ({"objectSelector": expression("DoesNotExist")}, False),
        (condition("true"), False),
        (condition("object != null"), False),
        ({"namespaceSelector": expression("NotIn", "kube-system", key=NAME)}, True),
        ({"namespaceSelector": {"matchLabels": {NAME: "team-a"}}}, True),
        (condition("!(request.namespace in ['kube-system', 'guards'])"), True),
        ({"objectSelector": expression("Exists")}, True),
    ],
)
def test_system_namespace_is_spared_for_certain(
    selection: dict[str, Any],
    is_spared: bool,  # noqa: FBT001 - the expected answer
) -> None:
    webhook = WEBHOOK | NO_SELECTOR | selection

    rules = {name for _, name in found(configured(webhook))}

    assert is_spared == ("system-namespace" not in rules)


@pytest.mark.parametrize(
    "members",
    [
        {"scope": "Cluster"},
        {"resources": ["nodes", "nodes/status", "persistentvolumes"]},
        {"resources": ["namespaces"]},
        {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles"]},
    ],
)
def test_kinds_in_no_namespace_need_no_namespace_selector(members: dict[str, Any]) -> None:
    assert [] == found(configured(WEBHOOK | NO_SELECTOR | rule(**members)))


def test_namespace_selector_does_not_narrow_what_is_in_no_namespace() -> None:
    reviews = rule(
        apiGroups=["authentication.k8s.io"], apiVersions=["v1"], resources=["tokenreviews"]
    )
    webhook = WEBHOOK | reviews | {"namespaceSelector": {"matchLabels": {"guard": "yes"}}}

    assert [("warning", "api-server"), ("error", "untouchable")] == found(configured(webhook))


@pytest.mark.parametrize("break_", ["\n", "\r\n"])
def test_bundle_may_have_line_breaks(break_: str) -> None:
    text = break_.join(BUNDLE[at : at + 64] for at in range(0, len(BUNDLE), 64))
    client = WEBHOOK["clientConfig"] | {"caBundle": f"{text}{break_}"}

    assert [] == found(configured(WEBHOOK | {"clientConfig": client}))


KEY = base64.b64encode(CA.key_pem).decode()


@pytest.mark.parametrize(
    "bundle",
    [
        KEY,
        base64.b64encode(CA.certificate_pem + CA.key_pem).decode(),
        base64.b64encode(KEY.encode()).decode(),
        CA.key_pem.decode(),
    ],
    ids=["alone", "beside its certificate", "encoded twice", "not encoded"],
)
def test_private_key_is_an_error_and_is_not_shown(bundle: str) -> None:
    client = WEBHOOK["clientConfig"] | {"caBundle": bundle}

    findings = [*lint.findings([configured(WEBHOOK | {"clientConfig": client})], NOW)]

    assert ("error", "private-key") in [(one.level, one.rule) for one in findings]
    shown = "".join(map(str, findings))
    lines = [CA.key_pem.decode().splitlines()[1], KEY[:40], bundle[-60:-40]]
    assert [] == [one for one in lines if one in shown]


def test_private_key_is_shown_from_no_field() -> None:
    key = CA.key_pem.decode()
    webhook: dict[str, Any] = {"name": key, "clientConfig": {"url": key}, "sideEffects": key}
    webhook |= {
        key: key,
        "rules": [{"operations": [key]}],
        "matchConditions": [{"expression": key}],
    }
    value = configured(webhook, webhook) | {"metadata": {"name": key}}
    unknown = value | {"apiVersion": key}
    webhook_of_ours = WEBHOOK | {"clientConfig": {"service": {"namespace": key, "name": "a"}}}

    shown = [
        str(one)
        for document in (value, unknown, configured(webhook_of_ours | NO_SELECTOR))
        for one in lint.findings([document], NOW)
    ]

    assert len(shown) > 8
    assert [] == [one for one in shown if key.splitlines()[1][:16] in one]


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        ({"nam": "x"}, "", 'unknown field "webhooks[0].nam"'),
        ({"timeoutSeconds": "5"}, "", "cannot unmarshal string into Go struct field"),
        (
            {"failurePolicy": "fail"},
            "webhooks[0].failurePolicy",
            'Unsupported value: "fail": supported values: "Fail", "Ignore"',
        ),
        (
            {"objectSelector": expression("In")},
            "webhooks[0].objectSelector.matchExpressions[0].values",
            "must be specified when `operator` is 'In' or 'NotIn'",
        ),
        (
            condition("object.x +"),
            "webhooks[0].matchConditions[0].expression",
            "Syntax error: mismatched input '<EOF>'",
        ),
        (
            rule(resources=["*", "pods"]),  # but not the other way round
            "webhooks[0].rules[0].resources",
            "if '*' is present, must not specify other resources without subresources",
        ),
    ],
)
def test_what_the_api_server_refuses_is_an_error_in_its_words(
    change: dict[str, Any], field: str, message: str
) -> None:
    findings = [*lint.findings([configured(WEBHOOK | change)], NOW)]

    first = findings[0]
    assert ("error", field) == (first.level, first.field)
    assert message in first.message
    assert "\n" not in str(first)


@pytest.mark.parametrize("version", ["admissionregistration.k8s.io/v1beta1", "v1", 1])
def test_other_versions_are_not_served(version: Any) -> None:
    assert ("error", "refused") == found(configured(WEBHOOK) | {"apiVersion": version})[0]


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
@example([[]] * 3, 0, {"caBundle": ["a"]})
def test_whatever_stands_there_is_looked_at(one: Any, other: Any, third: Any) -> None:
    webhook = copy.deepcopy(WEBHOOK) | {"rules": one, "clientConfig": other}

    for value in (one, configured(webhook), configured(third), {**configured(), "webhooks": one}):
        for finding in lint.findings([value], NOW):
            assert str(finding)


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def test_whatever_is_deep_is_looked_at() -> None:
    for member in (*WEBHOOK, "objectSelector", "matchConditions"):
        value = configured(WEBHOOK | {member: deep(5_000)})
        for document in (value, {**value, "apiVersion": deep(5_000)}):
            levels = [one.level for one in lint.findings([document], NOW)]
            assert "error" in levels


@pytest.mark.parametrize("api", [crds.api, foundry.api], ids=["platform", "foundry"])
def test_our_own_manifests_have_nothing_to_mend(api: Any) -> None:
    where = configuration.at_service("agents", "webhooks")

    made = configuration.manifests(api, where, certificate="agents/webhooks")

    assert [] == found(*made)


def test_command_finds_lists_and_says_how_many(commands: Commands, tmp_path: pathlib.Path) -> None:
    listed = {"kind": "List", "items": [configured(WEBHOOK | {"sideEffects": "Some"})]}
    path = tmp_path / "list.yaml"
    path.write_text(yaml.dumps(listed))

    done = commands.run("webhooks", "lint", str(path), "--output", "json", cwd=tmp_path)

    assert 1 == done.code
    assert {"refused", "side-effects"} <= {one["rule"] for one in json.loads(done.out)}
    assert "1 configurations: " in done.err


def test_command_names_file_and_line(commands: Commands, tmp_path: pathlib.Path) -> None:
    listed = {"apiVersion": "v1", "kind": "List", "items": [configured(WEBHOOK)]}
    listed["items"][0]["webhooks"][0] = WEBHOOK | {"sideEffects": "Some"}  # type: ignore[index]
    path = tmp_path / "list.yaml"
    path.write_text(yaml.dumps(listed))
    (line,) = [n for n, text in enumerate(path.read_text().splitlines(), 1) if "Effects" in text]

    done = commands.run("webhooks", "lint", str(path), cwd=tmp_path)

    message = 'Unsupported value: "Some": supported values: "None", "NoneOnDryRun"'
    where = "ValidatingWebhookConfiguration/guard webhooks[0].sideEffects"
    assert f"{path}:{line}: error: {where}: {message} [side-effects]" in done.out.splitlines()
    assert 1 == done.code
