"""What deploys a server: its roles, its pods, and the options of `webhooks manifests`."""

import dataclasses
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import crds
from schemagen import yaml
from tests.support import foundry
from webhooks import cli
from webhooks.deployment import rights, workloads

SERVER = workloads.Server(
    api=foundry.api,
    reference="tests.support.foundry:api",
    image="foundry:1",
    namespace="team",
    name="hooks",
    target_port=9443,
)
READS = ("Agent", "AgentProvider", "AgentRun", "Lease")


def found(server: workloads.Server, kind: str) -> list[dict[str, Any]]:
    return [value for value in workloads.workloads(server) if value["kind"] == kind]


def run(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(cli.app, ["manifests", *arguments])


def test_replicas_share_a_ca_of_their_own() -> None:
    (deployment,) = found(SERVER, "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]

    assert ["webhooks", "serve", "tests.support.foundry:api"] == container["command"]
    assert [
        "--host=0.0.0.0",
        "--port=9443",
        "--health-port=8080",
        "--name=hooks.team.svc",
        "--drain=30",
        "--check-trust",
        "--cert-secret=team/hooks-certificate",
    ] == container["args"]


def test_certificate_of_cert_manager_is_mounted() -> None:
    server = dataclasses.replace(SERVER, is_cert_managed=True)
    (certificate,) = found(server, "Certificate")
    (deployment,) = found(server, "Deployment")
    pod = deployment["spec"]["template"]["spec"]

    assert {
        "secretName": "hooks-certificate",
        "dnsNames": ["hooks.team.svc"],
        "privateKey": {"algorithm": "ECDSA", "rotationPolicy": "Always"},
        "issuerRef": {"name": "hooks", "kind": "Issuer", "group": "cert-manager.io"},
    } == certificate["spec"]
    assert "--cert-dir=/etc/webhook" in pod["containers"][0]["args"]
    assert {"secretName": "hooks-certificate", "defaultMode": 0o440} == pod["volumes"][1]["secret"]


@pytest.mark.parametrize("is_cert_managed", [False, True])
def test_roles_grant_the_declared_rights(*, is_cert_managed: bool) -> None:
    server = dataclasses.replace(
        SERVER,
        api=crds.api,
        reads=workloads.resources_read(crds.api, READS),
        is_cert_managed=is_cert_managed,
    )
    rules = {
        (group, resource, verb, name)
        for role in (*found(server, "Role"), *found(server, "ClusterRole"))
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
        for name in rule.get("resourceNames", [""])
    }

    assert rules == {
        (
            right.resource.group,
            right.target,
            verb,
            name.replace(rights.CERTIFICATE_SECRET, "hooks-certificate"),
        )
        for right in rights.of_webhook(crds.api, server.reads)
        if not right.conditions or server.mode in right.conditions
        for verb in right.verbs
        for name in right.names or ("",)
    }


def test_bindings_bind_the_account_to_each_role() -> None:
    roles = [
        (role["kind"], role["metadata"].get("namespace"), role["metadata"]["name"])
        for role in (*found(SERVER, "Role"), *found(SERVER, "ClusterRole"))
    ]
    bindings = [*found(SERVER, "RoleBinding"), *found(SERVER, "ClusterRoleBinding")]
    account = {"kind": "ServiceAccount", "name": "hooks", "namespace": "team"}

    assert [
        ("Role", "team", "hooks"),
        ("ClusterRole", None, "team-hooks-cluster"),
    ] == roles
    assert roles == [
        (
            value["roleRef"]["kind"],
            value["metadata"].get("namespace"),
            value["roleRef"]["name"],
        )
        for value in bindings
    ]
    assert all([account] == value["subjects"] for value in bindings)


def test_everything_is_selected_by_the_service() -> None:
    done = run("tests.support.foundry:api", "--service=team/hooks", "--deployment=foundry:1")
    documents: Any = yaml.load_all(done.stdout.encode())
    kinds = [value["kind"] for value in documents]
    service = documents[kinds.index("Service")]
    deployment = documents[kinds.index("Deployment")]

    assert 0 == done.exit_code, done.output
    assert service["spec"]["selector"] == deployment["spec"]["template"]["metadata"]["labels"]
    assert [
        "CustomResourceDefinition",
        "Service",
        "ServiceAccount",
        "ClusterRole",
        "ClusterRoleBinding",
        "Role",
        "RoleBinding",
        "Deployment",
        "PodDisruptionBudget",
        "MutatingWebhookConfiguration",
        "ValidatingWebhookConfiguration",
    ] == [*dict.fromkeys(kind for kind in kinds if "AdmissionPolicy" not in kind)]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--url=https://h", "--deployment=i"], "expected --service NAMESPACE/NAME with"),
        (["--service=a/b", "--chart=d"], "expected --deployment IMAGE with --chart"),
        (["--service=a/b", "--reads=Agent"], "expected --deployment IMAGE with --reads"),
        (
            ["--service=a/b", "--deployment=i"],
            "expected the kinds that rules of AgentRun read (Rules.related)",
        ),
        (
            ["--service=a/b", "--deployment=i", "--reads=Pod"],
            "expected one of Agent, AgentProvider, ",
        ),
        (
            ["--service=a/b", "--deployment=i", "--reads=Agent", "--cert-manager=a/c"],
            "expected --cert-manager a/b, the Certificate that is deployed with the server, got",
        ),
    ],
)
def test_options_that_do_not_fit_are_refused(arguments: list[str], said: str) -> None:
    done = run("crds:api", *arguments)

    assert 2 == done.exit_code
    assert said in done.stderr
