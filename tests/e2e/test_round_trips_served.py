"""Drawn objects lose nothing in a real API server that calls the webhooks of their Api."""

import os
import pathlib
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from controllers import devcluster
from tests.support import harbor

pytestmark = pytest.mark.e2e

HARBOR = "tests.support.harbor:api"
ROOT = pathlib.Path(__file__).parents[2]


def roundtrip(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "schemagen", "roundtrip", *arguments, "-n", "2", "--seed", "1"],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **environment},
    )


def test_nothing_is_lost_in_an_embedded_api_server() -> None:
    done = roundtrip("crds:api", HARBOR, "--server", "embedded", "--sample", "45")

    assert 0 == done.returncode, done.stdout + done.stderr
    *_, last = done.stdout.splitlines()
    ending = r" round trips, seed 1, part 1/1, in the API server of --server embedded: 0 with"
    assert re.search(rf"^\d+{ending} losses$", last)
    for name in ("agents.proompteng.ai Agent", "harbor.example.net Berth"):
        of_server = [line for line in done.stdout.splitlines() if line.startswith(f"{name}: ")][-1]
        assert not re.search(r" 0 objects | 0 round trips", of_server)


def test_a_kubeconfig_leads_to_a_namespace_that_is_deleted_afterwards(
    api_server: devcluster.Cluster, served_api: Callable[[Any], Any]
) -> None:
    served_api(harbor.api)

    done = roundtrip(
        *(HARBOR, "--server", "kubeconfig", "--sample", "20"),
        KUBECONFIG=str(api_server.admin_kubeconfig),
    )

    assert 0 == done.returncode, done.stdout + done.stderr
    named = re.search(r"^using namespace (roundtrip-\w+)$", done.stderr, re.MULTILINE)
    assert named is not None
    get = ("get", "--ignore-not-found", "-o", "jsonpath={.status.phase}", "namespace", named[1])
    # Whoever empties namespaces is no part of an embedded control plane.
    assert api_server.kubectl(*get).stdout in {"", "Terminating"}
    buoys = api_server.kubectl("get", "buoys.harbor.example.net", "-o", "name").stdout
    assert named[1] not in buoys


def test_a_cluster_without_the_crds_is_told_how_to_install_them(
    api_server: devcluster.Cluster,
) -> None:
    done = roundtrip(
        *("tests.support.foundry:api", "--server", "kubeconfig"),
        KUBECONFIG=str(api_server.admin_kubeconfig),
    )

    assert 2 == done.returncode
    *_, last = done.stderr.splitlines()
    assert re.fullmatch(
        r"schemagen: expected to open the API server of --server kubeconfig, got an error: "
        r"expected the CRD \S+ in the cluster, got none; install it and its webhooks first: "
        r"webhooks serve MODULE:API --install",
        last,
    )
