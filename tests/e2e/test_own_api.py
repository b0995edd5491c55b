"""The README's own API, served by the same tools: they know nothing of the Agents Platform."""

import pathlib
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from controllers import devcluster, kube

pytestmark = pytest.mark.e2e

README = pathlib.Path(__file__).parents[2] / "README.md"
WIDGETS = kube.Resource("example.com", "v1", "widgets", "Widget")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A folder with the example as the README has it."""
    found = re.search(
        r"<!-- example: (\S+) -->\n```python\n(.*?)```", README.read_text(), re.DOTALL
    )
    assert found is not None
    folder = tmp_path_factory.mktemp("own-api")
    (folder / found[1]).write_text(found[2])
    return folder


@pytest.fixture(scope="module")
def served(project: pathlib.Path, api_server: devcluster.Cluster) -> Iterator[devcluster.Cluster]:
    """An API server with the example installed and its webhooks served."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "webhooks", "serve", "widgets:api", "--install"),
            *("--port", "0", "--kubeconfig", str(api_server.admin_kubeconfig)),
        ],
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith("serving example.com at https://127.0.0.1:")
    yield api_server
    process.terminate()
    assert process.wait(20) == 0
    process.stdout.close()


def test_example_has_about_twenty_lines() -> None:
    found = re.search(r"<!-- example: \S+ -->\n```python\n(.*?)```", README.read_text(), re.DOTALL)

    assert found is not None
    assert len([line for line in found[1].splitlines() if line.strip()]) <= 20


def test_crd_is_generated(project: pathlib.Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "schemagen", "generate", "widgets:api"],
        cwd=project,
        capture_output=True,
        text=True,
        check=True,
    )

    assert "name: widgets.example.com" in done.stdout
    assert "rule: self.min <= self.max" in done.stdout


async def test_widget_is_defaulted_and_limited(served: devcluster.Cluster) -> None:
    widget = {
        "apiVersion": "example.com/v1",
        "kind": "Widget",
        "metadata": {"name": "one", "namespace": "default"},
        "spec": {"min": 3},
    }
    async with kube.Client.from_kubeconfig(served.admin_kubeconfig) as client:
        stored = await client.create(WIDGETS, widget)
        with pytest.raises(kube.InvalidError, match="at most 64 bytes of UTF-8, got 66"):
            await client.patch(WIDGETS, "one", {"spec": {"note": "ü" * 33}}, namespace="default")
        with pytest.raises(kube.InvalidError, match="min must not exceed max"):
            await client.patch(WIDGETS, "one", {"spec": {"min": 11}}, namespace="default")

    assert {"color": "Red", "min": 3, "max": 10, "note": "a Red one"} == stored["spec"]
