"""The chart rendered by helm, and what of it tests look at."""

import json
import os
import pathlib
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any

from controllers.devcluster import binaries, tools
from schemagen import yaml

CHART = pathlib.Path(__file__).parents[2] / "charts" / "agents"
NAMESPACE = "agents-system"
RELEASE = "agents"

# Each combination is rendered, linted and judged by a real API server.
VALUES: dict[str, dict[str, Any]] = {
    "defaults": {},
    "one namespace": {"runs": {"namespace": "team-a"}},
    "release namespace": {"runs": {"namespace": NAMESPACE}, "listen": "::"},
    "cert-manager": {
        "certificates": {"mode": "CertManager"},
        "crds": {"install": "Chart"},
        "webhook": {"servicePort": 8443},
        "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    },
    "an issuer": {
        "certificates": {
            "mode": "CertManager",
            "secretName": "serving",
            "issuer": {"name": "vault", "kind": "ClusterIssuer"},
        },
        "crds": {"storage": "v1alpha1"},
    },
    "own secret": {
        "certificates": {"mode": "OwnSecret", "secretName": "serving"},
        "crds": {"install": "None"},
        "uninstall": {"webhooks": False},
        "networkPolicy": {"enabled": False},
        "rbac": {"create": False},
    },
    "everything": {
        "image": {"digest": f"sha256:{'0' * 64}", "pullPolicy": "Always"},
        "imagePullSecrets": [{"name": "registry"}],
        "nameOverride": "platform",
        "fullnameOverride": "platform",
        "settings": {"policy": {"labels": {"required": ["team"], "denied": ["internal/*"]}}},
        "controller": {
            "replicas": 3,
            "retention": {"mode": "Archive", "claim": "archive"},
            "audit": {"mode": "File", "claim": "audit"},
            "sources": {
                "enabled": True,
                "ingress": {
                    "enabled": True,
                    "className": "public",
                    "host": "issues.example.com",
                    "tlsSecret": "issues-tls",
                    "annotations": {"a": "b"},
                },
            },
            "allowEndpoints": ["10.1.0.0/16", "endpoint.example.com"],
            "logLevel": "debug",
            "pods": {
                "annotations": {"a": "b"},
                "labels": {"team": "platform"},
                "nodeSelector": {"kubernetes.io/os": "linux"},
                "tolerations": [{"key": "system", "operator": "Exists"}],
                "affinity": {"nodeAffinity": {}},
                "env": [{"name": "A", "value": "b"}],
                "volumes": [{"name": "temporal", "secret": {"secretName": "temporal"}}],
                "volumeMounts": [{"name": "temporal", "mountPath": "/etc/temporal"}],
            },
        },
        "webhook": {
            "servicePort": 8443,
            "autoscaling": {"enabled": True},
            "preStopSeconds": 0,
            "pods": {"env": [{"name": "C", "value": "d"}]},
        },
        "rbac": {"ownerReferences": True, "secrets": {"team-a": ["git"]}},
        "serviceAccounts": {"annotations": {"example.com/role": "agents"}},
        "priorityClass": {"name": "agents", "create": True},
        "networkPolicy": {
            "webhookClients": [{"ipBlock": {"cidr": "10.0.0.0/8"}}],
            "metricsClients": [{"namespaceSelector": {"matchLabels": {"monitoring": "true"}}}],
            "controllerEgress": [{"ports": [{"port": 7233}]}],
        },
    },
    "what YAML reads otherwise": {
        "image": {"repository": "#agents", "tag": "1: '2'"},
        "runnerImage": {"tag": '"3"'},
        "nameOverride": "1",
        "fullnameOverride": "agents",
        "controller": {
            "limits": {"namespace": 1_000_000, "agent": 2_500_000},
            "retention": {"mode": "Archive", "claim": "10"},
            "audit": {"mode": "File", "claim": "10"},
            "temporal": "a'b\"c:7233",
        },
        "certificates": {"mode": "OwnSecret", "secretName": "1e3"},
        "priorityClass": {"name": "0x10", "create": True},
    },
    "one replica": {
        "controller": {"replicas": 1, "retention": {"mode": "Delete"}, "audit": {"mode": "Stdout"}},
        "webhook": {"replicas": 1},
    },
}


def helm(
    *arguments: str,
    values: Mapping[str, Any] | None = None,
    kubeconfig: pathlib.Path | None = None,
    check: bool = True,
) -> subprocess.CompletedProcess[str]:
    """Run helm.

    Args:
        *arguments: Of helm.
        values: Given as a file.
        kubeconfig: Of the cluster.
        check: Whether a failure is an error.
    """
    path = binaries.find([tools.ALL["helm"]])["helm"].path
    given = () if values is None else ("--values", "-")
    environment = {**os.environ, **({"KUBECONFIG": str(kubeconfig)} if kubeconfig else {})}
    return subprocess.run(
        [path, *arguments, *given],
        input=json.dumps(values) if values is not None else None,
        capture_output=True,
        text=True,
        env=environment,
        cwd=CHART.parents[1],
        check=check,
    )


def rendered(
    values: Mapping[str, Any], release: str = RELEASE, namespace: str = NAMESPACE
) -> list[Any]:
    """The objects that helm renders, hooks included."""
    text = helm("template", release, str(CHART), "--namespace", namespace, values=values).stdout
    return [document for document in yaml.load_all(text.encode()) if document]


def pod_templates(objects: list[Any]) -> Iterator[tuple[str, Any]]:
    """The pod templates of Deployments and Jobs, by the object's name."""
    for item in objects:
        if item["kind"] in {"Deployment", "Job"}:
            yield item["metadata"]["name"], item["spec"]["template"]
