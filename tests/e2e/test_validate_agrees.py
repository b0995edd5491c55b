"""The manifests that `schemagen validate` is tested with, given to the real kubectl."""

import json
import os
import pathlib
import subprocess
import time
from collections.abc import Iterator

import pytest

from controllers import devcluster
from schemagen import yaml
from schemagen.crd import definitions as crd
from tests.support import gads

pytestmark = pytest.mark.e2e

FOLDER = pathlib.Path(__file__).parents[1] / "data/manifests"
ANSWERS = json.loads(FOLDER.with_suffix(".json").read_text())

# Deployments are taken or refused by rules that no CRD has.
NOT_ASKED = {"foreign.yaml"}
# kubectl refuses these with its copy of the schema or of metadata's types, in words of its own.
OTHER_WORDS = {"list.yaml", "gad-list.yaml", "metadata-list.yaml", "name-number.yaml"}


@pytest.fixture(scope="module")
def gads_served(api_server: devcluster.Cluster) -> Iterator[devcluster.Cluster]:
    definitions = [crd.crd(gads.api, kind) for kind in gads.api.kinds]
    text = "---\n".join(map(yaml.dumps, definitions))
    api_server.kubectl("apply", "--server-side", "-f", "-", input=text)
    api_server.kubectl("wait", "--for=condition=Established", "crd/gads.example.com")
    _await_discovery(api_server)
    yield api_server
    api_server.kubectl("delete", "-f", "-", input=text)


def _await_discovery(api_server: devcluster.Cluster) -> None:
    deadline = time.monotonic() + 120
    while "gads" not in api_server.kubectl("api-resources", "--api-group=example.com").stdout:
        assert time.monotonic() < deadline
        time.sleep(0.2)


def created(cluster: devcluster.Cluster, path: pathlib.Path) -> subprocess.CompletedProcess[str]:
    arguments = ("create", "--dry-run=server", "--validate=strict", "-f", os.fspath(path))
    return cluster.kubectl(*arguments, check=False)


@pytest.mark.parametrize("name", sorted(ANSWERS.keys() - NOT_ASKED))
def test_kubectl_gives_the_same_answer(gads_served: devcluster.Cluster, name: str) -> None:
    answer = ANSWERS[name]

    done = created(gads_served, FOLDER / name)

    taken, refused = (int(word) for word in answer["summary"].split() if word.isdecimal())
    is_refused = refused > 0 or not taken or "error" in answer
    assert is_refused == (done.returncode != 0), done.stderr
    if name not in OTHER_WORDS:
        assert [] == [word for word in _words(answer) if word not in done.stderr], done.stderr


def _words(answer: dict[str, object]) -> Iterator[str]:
    """What kubectl's words have to hold: the last part of each of ours."""
    for line in answer.get("lines", ()):  # type: ignore[attr-defined] # a list of texts
        if " warning: " not in line:
            yield line.split(": ", 2)[-1] if line.count(": ") > 1 else line.split(": ")[-1]
    if "error" in answer and "expected UTF-8" not in str(answer["error"]):
        problem = str(answer["error"]).rpartition("expected YAML: ")[2]
        if "unsupported map key" not in problem and "expected an object" not in problem:
            yield problem
