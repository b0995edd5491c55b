"""A CRD of two versions with somebody else's conversion webhook, and objects of many owners."""

import asyncio
import contextlib
import datetime as dt
import json
import os
import pathlib
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

from certs import authority
from controllers import devcluster, kube
from tests.support import conversion_webhook
from tests.support.conversion_webhook import NEW, OLD, UNCONVERTIBLE

GROUP = "migrate.example.com"
NAME = f"widgets.{GROUP}"
POLICY = "frozen.migrate.example.com"
TOGETHER = 16
PATIENCE_SECONDS = 30
ROOT = pathlib.Path(__file__).parents[2]


def resource(version: str) -> kube.Resource:
    """Widgets in a version."""
    return kube.Resource(GROUP, version, "widgets", "Widget")


def _schema(number: str) -> dict[str, Any]:
    open_ended = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    part = {"type": "object", "properties": {"name": {"type": "string"}, "n": {"type": "integer"}}}
    parts = {"type": "array", "items": part, "x-kubernetes-list-type": "map"}
    properties: dict[str, Any] = {
        number: {"type": "integer"},
        "note": {"type": "string"},
        "count": {"type": "integer"},
        "free": open_ended,
        "parts": {**parts, "x-kubernetes-list-map-keys": ["name"]},
    }
    part["required"] = ["name"]
    spec = {"type": "object", "properties": properties}
    return {"type": "object", "properties": {"spec": spec, "status": open_ended}}


def definition(conversion: dict[str, Any], *, limit: int = 0) -> dict[str, Any]:
    """The CRD, stored in its older version; with a limit, a rule is added to both versions."""
    versions = []
    for version, number in ((OLD, "size"), (NEW, "replicas")):
        schema = _schema(number)
        if limit:
            rule = f"!has(self.{number}) || self.{number} < {limit}"
            rules = [{"rule": rule, "message": f"expected less than {limit}"}]
            schema["properties"]["spec"]["x-kubernetes-validations"] = rules
        versions.append(
            {
                "name": version,
                "served": True,
                "storage": version == OLD,
                "schema": {"openAPIV3Schema": schema},
                "subresources": {"status": {}},
            }
        )
    names = {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": NAME},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": names,
            "versions": versions,
            "conversion": conversion,
        },
    }


def widget(index: int, version: str = OLD, **spec: Any) -> dict[str, Any]:
    """A widget of 3 KB."""
    number = "size" if version == OLD else "replicas"
    parts = [{"name": f"part-{n}", "n": n} for n in range(20)]
    metadata = {"name": f"widget-{index:06}", "namespace": "default", "labels": {"team": "a"}}
    return {
        "apiVersion": f"{GROUP}/{version}",
        "kind": "Widget",
        "metadata": metadata,
        "spec": {number: index % 900, "note": "x" * 900, "parts": parts, **spec},
    }


def policy() -> list[dict[str, Any]]:
    """A policy that refuses every write of an object with the label `frozen`."""
    api_version = "admissionregistration.k8s.io/v1"
    rule = {"apiGroups": [GROUP], "apiVersions": ["*"], "resources": ["widgets"]}
    return [
        {
            "apiVersion": api_version,
            "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": POLICY},
            "spec": {
                "failurePolicy": "Fail",
                "matchConstraints": {"resourceRules": [{**rule, "operations": ["UPDATE"]}]},
                "validations": [
                    {
                        "expression": "!has(object.metadata.labels) || "
                        "!('frozen' in object.metadata.labels) || "
                        "!has(oldObject.metadata.labels) || "
                        "!('frozen' in oldObject.metadata.labels)",
                        "message": "expected an object that is not frozen",
                    }
                ],
            },
        },
        {
            "apiVersion": api_version,
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": POLICY},
            "spec": {"policyName": POLICY, "validationActions": ["Deny"]},
        },
    ]


class Webhook:
    """The conversion webhook, which can be away."""

    def __init__(self, directory: pathlib.Path) -> None:
        self._directory = directory
        now = dt.datetime.now(dt.UTC)
        pair = authority.new_authority("webhook", now=now)
        leaf = authority.issue_server(pair, ["127.0.0.1"], now=now)
        (directory / "tls.crt").write_bytes(leaf.certificate_pem)
        (directory / "tls.key").write_bytes(leaf.key_pem)
        self._ca_pem = pair.certificate_pem
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None

    def conversion(self) -> dict[str, Any]:
        """The stanza of the CRD."""
        import base64  # noqa: PLC0415 - here only

        bundle = base64.b64encode(self._ca_pem).decode()
        config = {"url": f"https://127.0.0.1:{self._port}/", "caBundle": bundle}
        webhook = {"clientConfig": config, "conversionReviewVersions": ["v1"]}
        return {"strategy": "Webhook", "webhook": webhook}

    def start(self) -> None:
        """Start and wait until it listens."""
        module = conversion_webhook.__name__
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, str(self._directory), str(self._port)], cwd=ROOT
        )
        deadline = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port)):
                return
            assert time.monotonic() < deadline, "expected the webhook to listen"
            time.sleep(0.05)

    def repair(self) -> None:
        """Let it convert every object from now on."""
        (self._directory / conversion_webhook.REPAIRED).touch()

    def stop(self) -> None:
        """End it, without notice."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


class World:
    """A cluster with the CRD, its webhook and policy.

    Attributes:
        cluster: The control plane.
        webhook: The webhook.
    """

    def __init__(self, cluster: devcluster.Cluster, webhook: Webhook) -> None:
        self.cluster, self.webhook = cluster, webhook

    def apply(self, *values: dict[str, Any]) -> None:
        """Apply objects."""
        listed = {"apiVersion": "v1", "kind": "List", "items": values}
        arguments = ("apply", "--server-side", "--force-conflicts", "-f", "-")
        self.cluster.kubectl(*arguments, input=json.dumps(listed))

    def install(self) -> None:
        """Install the CRD, without policy and rule."""
        self.apply(definition(self.webhook.conversion()))
        self.cluster.kubectl("wait", "--for=condition=Established", f"crd/{NAME}")
        for version in (OLD, NEW):
            self._await(lambda version=version: self._lists(version))

    def tighten(self) -> None:
        """Add the policy and the rule, which some objects that exist break."""
        self.apply(definition(self.webhook.conversion(), limit=1000), *policy())

        def is_tight() -> bool:
            trial = widget(999_999, size=1000)
            done = self.cluster.kubectl(
                "create", "--dry-run=server", "-f", "-", input=json.dumps(trial), check=False
            )
            return "expected less than" in done.stderr

        self._await(is_tight)

    def _lists(self, version: str) -> bool:
        path = f"/apis/{GROUP}/{version}/widgets?limit=1"
        return not self.cluster.kubectl("get", "--raw", path, check=False).returncode

    def _await(self, is_so: Any) -> None:
        deadline = time.monotonic() + 60
        while not is_so():
            assert time.monotonic() < deadline, "expected the API server to follow within 60 s"
            time.sleep(0.2)

    async def create(self, values: list[dict[str, Any]], seed: int = 0) -> None:
        """Create objects, with several field managers and a status."""
        source = random.Random(seed)  # noqa: S311 - nothing secret
        todo = iter(values)

        async def work(client: kube.Client) -> None:
            for value in todo:
                await self._create(client, value, source.random())

        async with asyncio.TaskGroup() as group, contextlib.AsyncExitStack() as stack:
            client = kube.Client.from_kubeconfig(self.cluster.admin_kubeconfig)
            opened = await stack.enter_async_context(client)
            workers = [group.create_task(work(opened)) for _ in range(TOGETHER)]
            await asyncio.gather(*workers)

    async def _create(self, client: kube.Client, value: dict[str, Any], draw: float) -> None:
        of_old = resource(OLD)
        if draw < 0.5:
            await client.apply(of_old, value, field_manager="gitops")
        else:
            await client.create(of_old, value)
        if draw < 0.1 and value["spec"].get("note") != UNCONVERTIBLE:
            name = {"name": value["metadata"]["name"], "namespace": "default"}
            owned = {"metadata": name, "spec": {"count": 1}}
            await client.apply(resource(NEW), owned, field_manager="counter")
        if draw > 0.7:
            name = {"name": value["metadata"]["name"], "namespace": "default"}
            state = {"metadata": name, "status": {"phase": "Ready"}}
            await client.apply(of_old, state, field_manager="operator", subresource="status")

    def command(self, *arguments: str) -> subprocess.Popen[str]:
        """Start `schemagen migrate`."""
        return subprocess.Popen(
            [sys.executable, "-m", "schemagen", "migrate", *arguments],
            env={**os.environ, "KUBECONFIG": str(self.cluster.admin_kubeconfig)},
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def migrate(self, *arguments: str, timeout_seconds: float = 120) -> tuple[int, Any, str]:
        """Run `schemagen migrate ... -o json`: exit code, answer, and what it said."""
        patience = () if arguments[0] == "plan" else ("--patience", str(PATIENCE_SECONDS))
        process = self.command(*arguments, "-o", "json", *patience)
        output, said = process.communicate(timeout=timeout_seconds)
        return process.returncode, json.loads(output) if output else None, said


@contextlib.contextmanager
def opened(cluster: devcluster.Cluster, directory: pathlib.Path) -> Iterator[World]:
    """A cluster with the CRD installed; at the end the CRD is removed."""
    webhook = Webhook(directory)
    webhook.start()
    world = World(cluster, webhook)
    try:
        world.install()
        yield world
    finally:
        # The API server deletes a CRD only with its objects, which it has to convert.
        webhook.repair()
        for kind, name in (
            ("validatingadmissionpolicybinding", POLICY),
            ("validatingadmissionpolicy", POLICY),
            ("crd", NAME),
        ):
            cluster.kubectl(
                "delete", kind, name, "--ignore-not-found", "--timeout=60s", check=False
            )
        webhook.stop()


def bad(first: int, count: int) -> list[dict[str, Any]]:
    """Objects whose rewrite fails, of three kinds in turn."""
    values = []
    for index in range(first, first + count):
        match index % 3:
            case 0:
                value = widget(index)
                value["metadata"]["labels"]["frozen"] = "true"
            case 1:
                value = widget(index, note=UNCONVERTIBLE)
            case _:
                # Beside a free-form field, no value counts as unchanged (KEP-4008).
                value = widget(index, size=5000, free={"a": 1})
        values.append(value)
    return values
