"""The Helm chart: linted, rendered, and every object judged by a real API server."""

import json
from typing import Any

import jsonschema
import pytest
import typer

import webhooks.cli
from controllers import devcluster
from controllers.agentctl import cli
from controllers.agentctl.chart import documents
from controllers.agentctl.chart import rights as matrix
from tests.support import charts
from webhooks.deployment import rights

pytestmark = pytest.mark.e2e

ANY = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def definition(group: str, version: str, plural: str, kind: str) -> dict[str, Any]:
    """A CRD that stands for one of cert-manager or the Prometheus Operator."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": plural, "kind": kind},
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": ANY},
                }
            ],
        },
    }


OTHERS = [
    definition("cert-manager.io", "v1", "certificates", "Certificate"),
    definition("cert-manager.io", "v1", "issuers", "Issuer"),
    definition("monitoring.coreos.com", "v1", "servicemonitors", "ServiceMonitor"),
]


@pytest.fixture(scope="module")
def cluster(api_server: devcluster.Cluster) -> devcluster.Cluster:
    """A cluster with the release's namespace, which enforces pod security."""
    levels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
    namespaces = [
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": name, "labels": levels},
        }
        for name in (charts.NAMESPACE, "team-a")
    ]
    accounts = [
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": f"{prefix}-{component}", "namespace": charts.NAMESPACE},
        }
        for prefix in ("agents", "platform")
        for component in matrix.COMPONENTS
    ]
    everything = {"apiVersion": "v1", "kind": "List", "items": [*namespaces, *accounts, *OTHERS]}
    apply = ("apply", "--server-side", "-f", "-")
    api_server.kubectl(*apply, input=json.dumps(everything))
    for other in OTHERS:
        name = f"crd/{other['metadata']['name']}"
        api_server.kubectl("wait", "--for=condition=Established", name)
    return api_server


@pytest.fixture(scope="module", params=charts.VALUES)
def objects(request: pytest.FixtureRequest) -> list[Any]:
    """The objects of a combination of values."""
    return charts.rendered(charts.VALUES[request.param])


def test_chart_has_nothing_to_lint() -> None:
    for values in charts.VALUES.values():
        charts.helm("lint", "--strict", str(charts.CHART), values=values)


def test_api_server_takes_every_object(cluster: devcluster.Cluster, objects: list[Any]) -> None:
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})

    done = cluster.kubectl(
        *("apply", "--server-side", "--force-conflicts", "--dry-run=server"),
        *("--validate=strict", "-f", "-"),
        input=listed,
    )

    assert len(objects) == len(done.stdout.splitlines())
    # Warnings: of pod security, deprecated versions, and unknown fields.
    assert "" == done.stderr


def test_pods_are_admitted_where_pod_security_is_enforced(
    cluster: devcluster.Cluster, objects: list[Any]
) -> None:
    pods: list[Any] = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {**template["metadata"], "name": name, "namespace": charts.NAMESPACE},
            "spec": {
                key: value
                for key, value in template["spec"].items()
                if key != "priorityClassName"  # it is not created by a dry run
            },
        }
        for name, template in charts.pod_templates(objects)
    ]

    done = cluster.kubectl(
        *("create", "--dry-run=server", "-f", "-"),
        input=json.dumps({"apiVersion": "v1", "kind": "List", "items": pods}),
    )

    assert len(pods) == len(done.stdout.splitlines())
    assert all(
        container["securityContext"]["readOnlyRootFilesystem"]
        for pod in pods
        for container in pod["spec"]["containers"]
    )


def test_programs_take_their_arguments(objects: list[Any]) -> None:
    programs = {"agentctl": cli.app, "webhooks": webhooks.cli.app}
    for _, template in charts.pod_templates(objects):
        (container,) = template["spec"]["containers"]
        words: list[str] = container["command"] + container.get("args", [])
        program, command, *arguments = words
        group: Any = typer.main.get_command(programs[program])

        # Raises for an unknown option or an invalid value.
        group.commands[command].make_context(command, [*arguments])


@pytest.mark.parametrize("mode", ["SelfManaged", "CertManager"])
def test_names_that_yaml_reads_as_numbers_are_kept(mode: str) -> None:
    values = {"certificates": {"mode": mode}, "crds": {"install": "Chart"}}

    number, word = (
        json.dumps(charts.rendered(values, release, namespace))
        for release, namespace in (("1e3", "0x10"), ("release", "place"))
    )

    assert word.replace("release-agents", "1e3-agents") == number.replace(
        '"1e3"', '"release"'
    ).replace("0x10", "place")


def test_nothing_names_a_ca_bundle(objects: list[Any]) -> None:
    """It belongs to the webhook server or to cert-manager, under their own field managers."""
    called = [
        item
        for item in objects
        if item["kind"].endswith("WebhookConfiguration")
        or item["kind"] == "CustomResourceDefinition"
    ]

    assert called
    assert "caBundle" not in json.dumps([_without_schemas(item) for item in called])


def _without_schemas(item: Any) -> Any:
    return {**item, "spec": item.get("spec", {}).get("conversion")}


def test_webhooks_call_the_service_of_the_chart(objects: list[Any]) -> None:
    services = {
        item["metadata"]["name"]: item["spec"] for item in objects if item["kind"] == "Service"
    }
    deployments = {
        name: template["spec"]["containers"][0] for name, template in charts.pod_templates(objects)
    }
    called = [
        webhook["clientConfig"]["service"]
        for item in objects
        for webhook in item.get("webhooks", ())
    ]

    assert 2 == len(called)
    for service in called:
        ports = {port["port"]: port["targetPort"] for port in services[service["name"]]["ports"]}
        container = deployments[service["name"]]
        assert charts.NAMESPACE == service["namespace"]
        assert ports[service["port"]] in {port["name"] for port in container["ports"]}
        assert f"--name={service['name']}.{service['namespace']}.svc" in container["args"]


CONDITIONS = {
    "defaults": {rights.SELF_MANAGED, rights.PREFLIGHT},
    "one namespace": {rights.SELF_MANAGED, rights.PREFLIGHT},
    "cert-manager": {rights.CERT_MANAGER},
    "everything": {
        *(rights.SELF_MANAGED, rights.PREFLIGHT, matrix.RETENTION),
        *(matrix.OWNER_REFERENCES, matrix.NAMED_SECRETS, matrix.SOURCES),
    },
}


@pytest.mark.parametrize("name", CONDITIONS)
def test_roles_grant_what_the_matrix_says(name: str) -> None:
    values = charts.VALUES[name]
    objects = charts.rendered(values)
    place = values.get("runs", {}).get("namespace", "*")
    places = {
        "cluster": "*",
        "release": charts.NAMESPACE,
        "default": "default",
        "objects": place,
        "secrets": "team-a",
    }
    has_hook = "crds" not in values

    expected = {
        (right.who, places[right.scope], right.target, verb, len(right.names))
        for right in matrix.matrix()
        for verb in right.verbs
        if not right.conditions or CONDITIONS[name].intersection(right.conditions)
        if has_hook or right.who != rights.INSTALL
    }

    assert expected == {*_granted(objects)}


def _granted(objects: list[Any]) -> Any:
    roles = {
        (item["kind"], item["metadata"].get("namespace", "*"), item["metadata"]["name"]): item
        for item in objects
        if item["kind"] in {"Role", "ClusterRole"}
    }
    for item in objects:
        if item["kind"] in {"RoleBinding", "ClusterRoleBinding"}:
            place = item["metadata"].get("namespace", "*")
            (subject,) = item["subjects"]
            assert charts.NAMESPACE == subject["namespace"]
            role = roles[item["roleRef"]["kind"], place, item["roleRef"]["name"]]
            for rule in role["rules"]:
                for target in rule["resources"]:
                    for verb in rule["verbs"]:
                        names = len(rule.get("resourceNames", ()))
                        yield subject["name"].split("-")[-1], place, target, verb, names


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"webhok": {}}, "additional properties 'webhok' not allowed"),
    ({"controller": {"replicas": "two"}}, "at '/controller/replicas': got string, want integer"),
    ({"controller": {"limits": {"cluster": 9000}}}, "at '/controller/limits/cluster': maximum"),
    ({"certificates": {"mode": "Own"}}, "at '/certificates/mode': value must be one of"),
    ({"runs": {"namespace": "Team A"}}, "at '/runs/namespace': 'Team A' does not match pattern"),
    ({"image": {"repository": ""}}, "at '/image/repository': minLength"),
    ({"certificates": {"mode": "OwnSecret"}}, "certificates.secretName: expected the name"),
    ({"controller": {"retention": {"mode": "Archive"}}}, "controller.retention.claim: expected"),
    ({"controller": {"audit": {"mode": "File"}}}, "controller.audit.claim: expected"),
    (
        {"controller": {"sources": {"enabled": True, "ingress": {"enabled": True}}}},
        "controller.sources.ingress.host: expected the host name",
    ),
    (
        {"controller": {"sources": {"ingress": {"enabled": True, "host": "a.example"}}}},
        "controller.sources.enabled: expected true",
    ),
    (
        {"controller": {"sources": {"enabled": True, "port": 8080}}},
        "controller.sources.port: expected another port than controller.healthPort",
    ),
    (
        {"crds": {"install": "None", "storage": "v1alpha1"}},
        "crds.storage: expected none with crds.install None, got v1alpha1",
    ),
    ({"priorityClass": {"create": True}}, "priorityClass.name: expected"),
    (
        {"webhook": {"autoscaling": {"minReplicas": 9}}},
        "webhook.autoscaling.minReplicas: expected at most maxReplicas, 6, got 9",
    ),
    (
        {"webhook": {"autoscaling": {"enabled": True}, "resources": {"requests": None}}},
        "webhook.resources.requests.cpu: expected a request",
    ),
    (
        {"networkPolicy": {"apiServerPorts": []}},
        "at '/networkPolicy/apiServerPorts': minItems: got 0, want 1",
    ),
    ({"webhook": {"port": 8080}}, "webhook.healthPort: expected another port"),
]


@pytest.mark.parametrize(("values", "said"), WRONG, ids=lambda item: str(item)[:50])
def test_wrong_value_is_refused_with_its_path(values: dict[str, Any], said: str) -> None:
    done = charts.helm("template", str(charts.CHART), values=values, check=False)

    assert 0 != done.returncode
    assert said in done.stderr


def test_values_of_the_matrix_fit_the_schema() -> None:
    validator = jsonschema.Draft202012Validator(json.loads(documents.schema()))

    for values in charts.VALUES.values():
        validator.validate(values)
