"""CRDs without models, served with conversions that files declare: on a real API server."""

import contextlib
import json
import pathlib
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from controllers import devcluster
from webhooks.development import local_server

pytestmark = pytest.mark.e2e

DECLARED = pathlib.Path(__file__).parents[1] / "data/declared"
DATABASE: dict[str, Any] = {
    "apiVersion": "public.example.com/v1alpha1",
    "kind": "Database",
    "metadata": {"name": "orders", "namespace": "default"},
    "spec": {
        "image": "registry:5000/postgres:16",
        "endpoint": "db.example.com:5432",
        "storageGB": 2,
        "backupKeepDays": 7,
        "owner": "shop",
        "legacyMode": True,
        "parameters": {"work_mem": "4MB"},
        "databases": [{"name": "orders", "owner": "shop"}],
    },
}


@pytest.fixture(scope="module")
def served(
    api_server: devcluster.Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[devcluster.Cluster]:
    """An API server with ten CRDs, whose conversions ``webhooks serve`` does."""
    folder = tmp_path_factory.mktemp("declared")
    command = [
        *("webhooks", "serve", "--install", "--port", "0", "--workers", "1"),
        *("--crds", str(DECLARED / "crds"), "--conversions", str(DECLARED / "conversions")),
        *("--cert-dir", str(folder / "certificates")),
        *("--kubeconfig", str(api_server.admin_kubeconfig)),
    ]
    with local_server.program(command, folder / "webhooks.log", local_server.READY):
        yield api_server


def get(cluster: devcluster.Cluster, resource: str) -> dict[str, Any]:
    """An object of ``databases`` in a version."""
    done = cluster.kubectl("get", resource, "orders", "-o", "json")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@contextlib.contextmanager
def created(cluster: devcluster.Cluster) -> Iterator[None]:
    cluster.kubectl("create", "-f", "-", input=json.dumps(DATABASE))
    yield
    cluster.kubectl("delete", "databases.public.example.com", "orders")


def test_objects_are_read_in_both_versions_and_keep_what_one_cannot_say(
    served: devcluster.Cluster,
) -> None:
    with created(served):
        new = get(served, "databases.v1.public.example.com")
        patch = json.dumps(
            {"spec": {"backup": {"schedule": "@daily"}, "owners": ["shop", "audit"]}}
        )
        served.kubectl(
            *("patch", "databases.v1.public.example.com", "orders"),
            *("--type", "merge", "--patch", patch),
        )
        old = get(served, "databases.v1alpha1.public.example.com")
        served.kubectl(
            *("patch", "databases.v1alpha1.public.example.com", "orders", "--type", "merge"),
            *("--patch", json.dumps({"spec": {"storageGB": 3}})),
        )
        after = get(served, "databases.v1.public.example.com")

    expected = {
        "image": {
            "repository": "registry:5000/postgres",
            "tag": "16",
            "pullPolicy": "IfNotPresent",
        },
        "host": "db.example.com",
        "port": 5432,
        "storageMB": 2048,
        "backup": {"keepSeconds": 604800},
        "owners": ["shop"],
        "parameters": [{"name": "work_mem", "value": "4MB"}],
        "databases": {"orders": {"encoding": "UTF8", "owner": "shop"}},
    }
    assert expected == new["spec"]
    databases = [{"name": "orders", "owner": "shop", "encoding": "utf8"}]
    assert {**DATABASE["spec"], "databases": databases} == old["spec"]
    assert {
        **expected,
        "storageMB": 3072,
        "backup": {"keepSeconds": 604800, "schedule": "@daily"},
        "owners": ["shop", "audit"],
    } == after["spec"]


def test_installed_crds_are_those_of_the_files_with_the_webhook(
    served: devcluster.Cluster,
) -> None:
    name = "virtualservers.public.example.com"
    done = served.kubectl("get", "crd", name, "-o", "json")

    spec = json.loads(done.stdout)["spec"]
    assert "Webhook" == spec["conversion"]["strategy"]
    assert spec["conversion"]["webhook"]["clientConfig"]["url"].endswith("/convert")
    assert [("v1alpha1", False), ("v1beta1", False), ("v1", True)] == [
        (version["name"], version["storage"]) for version in spec["versions"]
    ]


def test_nothing_is_lost_in_a_real_api_server() -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemagen", "roundtrip"),
            *("--crds", str(DECLARED / "crds"), "--conversions", str(DECLARED / "conversions")),
            *("-n", "10", "--seed", "1", "--server", "embedded", "--sample", "60"),
        ],
        check=False,
        capture_output=True,
        text=True,
    )

    assert 0 == done.returncode, done.stdout + done.stderr
    *_, last = done.stdout.splitlines()
    assert re.search(r"^\d+ round trips, .* in the API server .*: 0 with losses$", last)
