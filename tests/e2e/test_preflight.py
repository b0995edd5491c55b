"""What `schemagen preflight` foretells of an upgrade is what the API server then does."""

import json
import pathlib
import subprocess
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from controllers import devcluster
from schemagen.cli import commands

pytestmark = pytest.mark.e2e

GROUP = "preflight.example.com"
NAME = f"widgets.{GROUP}"


def crd(*versions: str, **changes: Any) -> dict[str, Any]:
    """A CRD, stored in its last version."""
    integer, text = {"type": "integer"}, {"type": "string"}
    properties: dict[str, Any] = {"size": integer, "note": text, "color": text}
    spec: dict[str, Any] = {"type": "object", "properties": properties}
    status = {"type": "object", "properties": {"count": integer}}
    spec["properties"].update(changes.get("spec", {}))
    spec["x-kubernetes-validations"] = changes.get("rules", [])
    for name in changes.get("without", ()):
        del spec["properties"][name]
    schema = {"type": "object", "properties": {"spec": spec, "status": status}}
    names = {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"}
    served = [
        {"name": name, "served": True, "storage": name == versions[-1]}
        | {"schema": {"openAPIV3Schema": schema}, "subresources": {"status": {}}}
        for name in versions
    ]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": NAME},
        "spec": {"group": GROUP, "scope": "Namespaced", "names": names, "versions": served},
    }


OLD = crd("v1beta1", "v1")
NEW = crd(
    "v1",
    spec={"color": {"type": "string", "enum": ["Red"]}},
    rules=[{"rule": "self.size >= 5 || self != oldSelf", "message": "expected a size of 5"}],
    without=["note"],
)

OBJECTS: dict[str, dict[str, Any]] = {
    "fine": {"size": 5, "color": "Red"},
    "small": {"size": 1, "color": "Red"},
    "noted": {"size": 5, "color": "Red", "note": "x"},
    "blue": {"size": 5, "color": "Blue"},
}


def apply(cluster: devcluster.Cluster, value: Any, manager: str = "test", **options: Any) -> Any:
    arguments = ("apply", "--server-side", "--field-manager", manager, "-f", "-")
    return cluster.kubectl(*arguments, input=json.dumps(value), **options)


def widget(name: str, version: str = "v1") -> dict[str, Any]:
    metadata = {"name": name, "namespace": "default"}
    value = {"apiVersion": f"{GROUP}/{version}", "kind": "Widget", "metadata": metadata}
    return {**value, "spec": OBJECTS[name]}


@pytest.fixture(scope="module")
def old_cluster(api_server: devcluster.Cluster) -> Iterator[devcluster.Cluster]:
    """A cluster with the old CRD and objects, which a manager of the old version wrote."""
    apply(api_server, OLD)
    api_server.kubectl("wait", "--for=condition=Established", f"crd/{NAME}")
    deadline = time.monotonic() + 60
    while apply(api_server, widget("fine"), check=False).returncode:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    for name in OBJECTS:
        apply(api_server, widget(name))
    apply(api_server, widget("fine", "v1beta1"), "older")
    yield api_server
    api_server.kubectl("delete", "crd", NAME)


def preflight(cluster: devcluster.Cluster, path: pathlib.Path, *arguments: str) -> Result:
    environment = {"KUBECONFIG": str(cluster.admin_kubeconfig)}
    return CliRunner().invoke(commands.app, ["preflight", str(path), *arguments], env=environment)


def labelled(cluster: devcluster.Cluster, name: str) -> subprocess.CompletedProcess[str]:
    # A value of its own each time: kubectl does not send a label that the object already has.
    # With its group, since other tests leave widgets of other groups in this cluster.
    label = f"a={uuid.uuid4()}"
    return cluster.kubectl("label", NAME, name, label, "--overwrite", check=False)


def test_what_is_foretold_happens(old_cluster: devcluster.Cluster, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "new.json"
    path.write_text(json.dumps(NEW))

    done = preflight(old_cluster, path, "-o", "json")

    found = json.loads(done.stdout)["findings"]
    foretold = {(one["subject"].rpartition("/")[2], one["rule"]) for one in found}
    assert {
        ("small", "update-refused"),
        ("noted", "fields-lost"),
        ("blue", "create-refused"),
        (NAME, "writer-version-removed"),
    } == foretold, done.output
    assert 1 == done.exit_code
    assert "4 objects judged" in done.stderr

    apply(old_cluster, NEW)
    _await_schema(old_cluster)
    assert 0 == labelled(old_cluster, "blue").returncode
    assert 0 == labelled(old_cluster, "noted").returncode
    refused = labelled(old_cluster, "small")
    assert "expected a size of 5" in refused.stderr
    noted = ("get", NAME, "noted", "-o", "jsonpath={.spec}")
    assert {"size": 5, "color": "Red"} == json.loads(old_cluster.kubectl(*noted).stdout)
    # kubernetes/kubernetes#111937
    assert "v1beta1" in apply(old_cluster, widget("fine"), check=False).stderr


def _await_schema(cluster: devcluster.Cluster) -> None:
    deadline = time.monotonic() + 60
    while "expected a size" not in (done := labelled(cluster, "small")).stderr:
        assert time.monotonic() < deadline, done.stdout + done.stderr
        time.sleep(0.2)
