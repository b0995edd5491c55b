"""A Helm chart of an Api's webhook server: its files, as texts. Pure."""

import dataclasses
import re
from collections.abc import Iterator
from typing import Any, Final

from schemagen import yaml
from webhooks.cluster import configuration
from webhooks.deployment import rights, workloads
from webhooks.deployment.workloads import Account, Server

# What only Helm knows, as words that no manifest has; expressions of templates take their place.
NAMESPACE: Final = "RELEASE-NAMESPACE"
IMAGE: Final = "VALUE-OF-IMAGE"
REPLICAS: Final = "VALUE-OF-REPLICAS"
RESOURCES: Final = "VALUE-OF-RESOURCES"

_INSTALL: Final = "install"
_UNINSTALL: Final = "uninstall"
_EVENTS: Final = {_INSTALL: "pre-install,pre-upgrade", _UNINSTALL: "pre-delete"}
_JOB_SECONDS: Final = 300
# Exit code 1: live objects would break, which no retry changes.
_FAILED_FOR_GOOD: Final = {
    "action": "FailJob",
    "onExitCodes": {"operator": "In", "values": [1]},
}


def files(server: Server, version: str, port: int, storage: str | None = None) -> dict[str, str]:
    """Return the content of each file of the chart by its path in it.

    The CRDs are applied by a hook with the image's own, since Helm never upgrades those of a
    chart; another hook ends the conversion before the server goes.

    Args:
        server: The server; its image, replicas and resources become values of the chart, and its
            namespace is the release's.
        version: Version of the chart.
        port: Port of the Service.
        storage: Storage version, if not the Api's own.
    """
    image = server.image
    server = dataclasses.replace(
        server, image=IMAGE, namespace=NAMESPACE, replicas=REPLICAS, resources=RESOURCES
    )
    address = configuration.at_service(server.namespace, server.name, port)
    service = configuration.service(server.namespace, server.name, port, server.target_port)
    registration = [
        *configuration.configurations(server.api, address),
        *configuration.policies(server.api),
    ]
    if server.is_cert_managed:
        for manifest in registration:
            if "webhooks" in manifest:
                configuration.let_inject(manifest, f"{server.namespace}/{server.name}")
    return {
        "Chart.yaml": yaml.dumps(_chart(server, version)),
        "values.yaml": yaml.dumps(
            {"image": image, "replicas": workloads.REPLICAS, "resources": workloads.RESOURCES}
        ),
        "templates/hooks.yaml": _template([*_hooks(server, port, storage)]),
        "templates/registration.yaml": _template(registration),
        "templates/server.yaml": _template([service, *workloads.workloads(server)]),
    }


def _chart(server: Server, version: str) -> dict[str, Any]:
    return {
        "apiVersion": "v2",
        "name": server.name,
        "type": "application",
        "description": f"The webhook server and CRDs of {server.api.group}.",
        "version": version,
        "appVersion": version,
    }


def _hooks(server: Server, port: int, storage: str | None) -> Iterator[dict[str, Any]]:
    """The Jobs before install, upgrade and uninstall, with accounts and rights of their own."""
    install = ["install", server.reference, "--crds-only", "--preflight"]
    install.append(f"--service={server.namespace}/{server.name}:{port}")
    if storage is not None:
        install.append(f"--storage={storage}")
    if server.is_cert_managed:
        install.append(f"--cert-manager={server.namespace}/{server.name}")
    uninstall = ["uninstall", server.reference, "--unserve"]
    for hook, command, granted in (
        (_INSTALL, install, rights.of_install(server.api)),
        (_UNINSTALL, uninstall, rights.of_uninstall(server.api)),
    ):
        account = Account(server, f"{server.name}-{hook}", {})
        for value in account.objects(granted):
            yield _hooked(value, hook, weight=-10)
        job = account.object("batch/v1", "Job", spec=_job(account, command))
        if hook == _INSTALL:
            job["spec"]["podFailurePolicy"] = {"rules": [_FAILED_FOR_GOOD]}
        yield _hooked(job, hook)


def _job(account: Account, command: list[str]) -> dict[str, Any]:
    resources = {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "512Mi"}}
    container = {
        "name": "webhooks",
        "command": ["webhooks", *command],
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "resources": resources,
    }
    pod = account.pod(container, restartPolicy="Never")
    return {
        "backoffLimit": 3,
        "activeDeadlineSeconds": _JOB_SECONDS,
        "template": {"metadata": {"labels": {}}, "spec": pod},
    }


def _hooked(value: dict[str, Any], hook: str, weight: int = 0) -> dict[str, Any]:
    """Let Helm create an object only while a hook runs."""
    value["metadata"]["annotations"] = {
        "helm.sh/hook": _EVENTS[hook],
        "helm.sh/hook-weight": str(weight),
        "helm.sh/hook-delete-policy": "before-hook-creation,hook-succeeded",
        "helm.sh/hook-output-log-policy": "hook-failed",
    }
    return value


def _template(documents: list[dict[str, Any]]) -> str:
    """Write manifests as a template, whose own braces Helm does not evaluate."""
    text = "---\n".join(yaml.dumps(document) for document in documents)
    text = re.sub(r"\{\{|\}\}", lambda found: f'{{{{ "{found[0]}" }}}}', text)
    for word, expression in _EXPRESSIONS:
        text = re.sub(word, expression, text, flags=re.MULTILINE)
    return text


# In their order: a whole scalar is quoted, since YAML reads a namespace 1e3 as a number.
_EXPRESSIONS: Final = (
    (rf"(?<=[:-] ){NAMESPACE}$", "{{ .Release.Namespace | quote }}"),
    (NAMESPACE, "{{ .Release.Namespace }}"),
    (IMAGE, "{{ .Values.image | quote }}"),
    (REPLICAS, "{{ .Values.replicas }}"),
    (RESOURCES, "{{ toJson .Values.resources }}"),
)
