"""The README's own API, served by the same tools: they know nothing of the Agents Platform."""

import contextlib
import dataclasses
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from controllers import devcluster, kube
from schemagen import Api
from tests.support.forked_commands import Commands
from webhooks.development.embedded import Served

pytestmark = pytest.mark.e2e

README = pathlib.Path(__file__).parents[2] / "README.md"
DOCUMENT = README.parent / "docs/own-api-server.md"
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
            *("--port", "0", "--workers", "1", "--kubeconfig", str(api_server.admin_kubeconfig)),
        ],
        cwd=project,
        env={**os.environ, "XDG_STATE_HOME": str(project / "state")},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith("serving example.com at https://127.0.0.1:")
    yield api_server
    process.terminate()
    assert process.wait(120) == 0
    process.stdout.close()


@pytest.mark.usefixtures("served")
def test_keys_are_in_the_state_directory_for_their_owner_alone(project: pathlib.Path) -> None:
    state = project / "state/kubewright"
    folder = state / "certificates/example.com"

    modes = {path.stat().st_mode & 0o777 for path in (state, state / "certificates", folder)}
    assert {0o700} == modes
    assert {"ca.crt", "ca.key", "tls.crt", "tls.key"} < {path.name for path in folder.iterdir()}
    assert not (project / "certificates").exists()


def test_example_has_about_twenty_lines() -> None:
    found = re.search(r"<!-- example: \S+ -->\n```python\n(.*?)```", README.read_text(), re.DOTALL)

    assert found is not None
    assert len([line for line in found[1].splitlines() if line.strip()]) <= 20


def test_crd_is_generated(commands: Commands, project: pathlib.Path) -> None:
    done = commands.run("schemagen", "generate", "widgets:api", cwd=project)

    assert 0 == done.code
    assert "name: widgets.example.com" in done.out
    assert "rule: self.min <= self.max" in done.out


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


Serve = Callable[[Api | str], Served]


@pytest.fixture(scope="module")
def example() -> dict[str, Any]:
    """The document's module."""
    (text,) = re.findall(
        r"<!-- example: served-api -->\n```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL
    )
    found: dict[str, Any] = {"__name__": "lamps"}
    exec(text, found)  # noqa: S102 - our own document
    return found


def test_calls_of_another_api_are_verified(
    commands: Commands,
    served: devcluster.Cluster,
    project: pathlib.Path,
    tmp_path: pathlib.Path,
) -> None:
    def verify(*options: str) -> tuple[int, str, str]:
        kubeconfig = ("--kubeconfig", str(served.admin_kubeconfig))
        done = commands.run(
            "agentctl",
            *("certs", "verify", "--api", "widgets:api", *kubeconfig, *options),
            cwd=project,
        )
        return done.code, done.out, done.err

    foreign = tmp_path / "foreign.yaml"
    foreign.write_text("a: 1\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n")

    code, out, _ = verify("--output", "json")
    refused = verify("--sample", str(foreign))

    found = json.loads(out)
    assert (0, []) == (code, found["problems"])
    assert {"ok"} == {call["outcome"] for call in found["calls"]}
    assert "widgets as v1" in [call["where"] for call in found["calls"]]
    assert (2, f"agentctl: expected an object of example.com in {foreign}, got none\n") == (
        refused[0],
        refused[2],
    )


def test_documented_example_passes(served_api: Serve, example: dict[str, Any]) -> None:
    example["test_lamp_is_defaulted_and_refused"](served_api)


async def test_an_api_is_served_once(served_api: Serve, example: dict[str, Any]) -> None:
    first, again = served_api(example["api"]), served_api(example["api"])
    lamps = kube.Resource("lamps.example.com", "v1", "lamps", "Lamp")
    lamp = {"metadata": {"name": "floor", "namespace": "default"}, "spec": {"watts": 3}}
    async with first.client() as client:
        stored = await client.create(
            lamps, {"apiVersion": "lamps.example.com/v1", "kind": "Lamp", **lamp}
        )

    assert first is again
    assert {"watts": 3, "note": "3 W"} == stored["spec"]


def test_another_api_of_the_group_is_an_error(served_api: Serve, example: dict[str, Any]) -> None:
    api: Api = example["api"]
    served_api(api)

    with pytest.raises(
        ValueError, match=r"expected a single Api of lamps.example.com per test session"
    ):
        served_api(Api(api.group, (*api.kinds, *_renamed(api))))


def _renamed(api: Api) -> Iterator[Any]:
    for kind in api.kinds:
        yield dataclasses.replace(kind, name="Torch", plural="torches")


class Dev:
    """``webhooks dev`` in a folder."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.said = folder / "said.txt"
        with self.said.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "webhooks", "dev", "widgets:api"],
                cwd=folder,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def wait(self, text: str, times: int = 1) -> None:
        """Wait until something was said so many times."""
        deadline = time.monotonic() + 120
        while self.said.read_text().count(text) < times:
            assert self.process.poll() is None, self.said.read_text()
            assert time.monotonic() < deadline, self.said.read_text()
            time.sleep(0.1)

    def kubectl(self, *arguments: str, given: str | None = None) -> str:
        """What kubectl prints, run as the command says."""
        found = dict(re.findall(r"export (PATH|KUBECONFIG)=([^:\n]+)", self.said.read_text()))
        return subprocess.run(
            [pathlib.Path(found["PATH"]) / "kubectl", *arguments],
            input=given,
            env={**os.environ, "KUBECONFIG": found["KUBECONFIG"]},
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    def note(self, name: str) -> str:
        """The note that a new widget gets."""
        widget = {"apiVersion": "example.com/v1", "kind": "Widget", "spec": {}}
        given = json.dumps({**widget, "metadata": {"name": name, "namespace": "default"}})
        stored = json.loads(self.kubectl("create", "-o", "json", "-f", "-", given=given))
        return str(stored["spec"]["note"])


def test_dev_serves_what_the_module_says_now(project: pathlib.Path, tmp_path: pathlib.Path) -> None:
    module = tmp_path / "widgets.py"
    text = (project / "widgets.py").read_text()
    module.write_text(text)
    dev = Dev(tmp_path)
    with contextlib.ExitStack() as stack:
        stack.callback(dev.process.kill)
        dev.wait("Ctrl-C stops it")
        first = dev.note("first")
        module.write_text(text.replace('f"a {', 'f"one {'))
        dev.wait("serving widgets:api", times=2)
        changed = dev.note("changed")
        module.write_text(text.replace("api = Api(", "api = Api(("))
        dev.wait("the previous version stays in service")
        kept = dev.note("kept")
        os.kill(dev.process.pid, signal.SIGINT)
        code = dev.process.wait(60)

    assert ("a Red one", "one Red one", "one Red one", 0) == (first, changed, kept, code)
    assert f"{module}:" in dev.said.read_text()
    assert "SyntaxError" in dev.said.read_text()
    assert "Traceback" not in dev.said.read_text()
    assert [] == _processes(str(tmp_path))


def _processes(text: str) -> list[str]:
    """The command lines with a text, where /proc shows them."""
    lines = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            lines.append(path.read_text(errors="replace"))
    return [line for line in lines if text in line]


def test_dev_of_a_broken_module_starts_nothing(commands: Commands, tmp_path: pathlib.Path) -> None:
    (tmp_path / "widgets.py").write_text("api = 1 /\n")

    done = commands.run("webhooks", "dev", "widgets:api", cwd=tmp_path)

    said = f"webhooks: {tmp_path}/widgets.py:1: SyntaxError: invalid syntax\n"
    assert (2, "", said) == (done.code, done.out, done.err)
    assert not (tmp_path / ".dev").exists()
