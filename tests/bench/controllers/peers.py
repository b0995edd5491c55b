"""The controllers that are measured, as processes: built, started, measured. Shell: processes.

Ours, the same loop in Go on controller-runtime, and the same in Python on kopf; each looks after
the runs of one namespace of a cluster that `prepare` made ready: CRDs of v1beta1 only, no webhooks.
"""

import asyncio
import contextlib
import dataclasses
import hashlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request
import venv
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import crds
from controllers import devcluster, kube
from controllers.devcluster import build
from controllers.runs import projections
from schemagen import files
from schemagen.crd import definitions
from schemagen.model import registry
from tests.bench import go_types
from tests.support import processes

ROOT: Final = pathlib.Path(__file__).parents[3]
HERE: Final = pathlib.Path(__file__).parent
MODULE: Final = HERE / "peer"
VERSION: Final = "v1beta1"
KINDS_IN_GO: Final = ("AgentRun", "Agent", "AgentProvider")
_TICKS: Final = os.sysconf("SC_CLK_TCK")
# utime, stime, cutime, cstime of /proc/PID/stat, counted from the state, which follows the name.
_TIMES: Final = slice(11, 15)
_STOP_SECONDS: Final = 20.0


@dataclasses.dataclass(frozen=True)
class Program:
    """A controller that runs.

    Attributes:
        name: Of `CONTROLLERS`.
        process: Itself; it may have children.
        metrics_url: Where ours shows its metrics; empty for the others.
    """

    name: str
    process: subprocess.Popen[str]
    metrics_url: str = ""

    def cpu_seconds(self) -> float:
        """What it and its children used so far, those that have ended included."""
        return sum(map(_cpu_seconds, processes.family_of(self.process.pid)))

    def resident_bytes(self) -> int:
        """The memory of it and its children."""
        return sum(map(processes.resident_bytes, processes.family_of(self.process.pid)))

    async def metrics(self) -> str:
        """What it counted, as Prometheus reads it; ours only."""

        def fetched() -> str:
            with urllib.request.urlopen(self.metrics_url) as answer:  # noqa: S310 - on loopback
                return str(answer.read().decode())

        return await asyncio.to_thread(fetched)


def _cpu_seconds(pid: int) -> float:
    stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    return sum(map(int, stat.rpartition(")")[2].split()[_TIMES])) / _TICKS


# ------------------------------------------------------------------------------- the controllers


@contextlib.contextmanager
def running(
    name: str,
    kubeconfig: pathlib.Path,
    namespace: str,
    log: pathlib.Path,
    arguments: Sequence[str] = (),
) -> Iterator[Program]:
    """A controller, from when it says that it works until it is told to end.

    Args:
        name: Of `CONTROLLERS`.
        kubeconfig: Of the cluster.
        namespace: Whose runs it looks after.
        log: Gets what it says; appended to.
        arguments: More of them.
    """
    command = [*CONTROLLERS[name](), "--kubeconfig", str(kubeconfig), "--namespace", namespace]
    with log.open("a") as output:
        process = subprocess.Popen(
            [*command, *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=output, text=True
        )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line.startswith("serving "):
            raise SystemExit(f"expected {name} to work, got {line!r}:\n{log.read_text()[-2000:]}")
        yield Program(name, process, "".join(line.split()[2:]))
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def _ours() -> list[str]:
    return [sys.executable, "-m", "tests.bench.controllers.ours"]


def _go() -> list[str]:
    return [str(built())]


def _kopf() -> list[str]:
    return [str(kopf_python()), str(HERE / "kopf_operator.py")]


CONTROLLERS: Final[Mapping[str, Callable[[], list[str]]]] = {
    "ours": _ours,
    "go": _go,
    "kopf": _kopf,
}


def kopf_python() -> pathlib.Path:
    """The Python of an environment with kopf, made if its lock is another one now."""
    lock = HERE / "kopf.txt"
    digest = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()
    folder = ROOT / "build" / "bench" / f"kopf-{digest[:16]}"
    python = folder / "bin" / "python"
    if not (folder / "installed").exists():
        tell("installing kopf (once)")
        venv.create(folder, with_pip=True, clear=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--require-hashes", "-r", str(lock)], check=True)
        (folder / "installed").touch()
    return python


def built() -> pathlib.Path:
    """The peer in Go, built if its sources are others now."""
    generated = go_types.packages([definitions.crd(crds.api, kind) for kind in _kinds(KINDS_IN_GO)])
    sources = [path.read_bytes() for path in sorted(MODULE.rglob("*")) if path.is_file()]
    digest = hashlib.sha256(b"".join([*sources, repr(generated).encode()])).hexdigest()
    peer = files.cache_directory() / "bench" / f"controller-{digest[:16]}" / "controllerpeer"
    if not peer.exists():
        _build(generated[VERSION], peer.parent)
    return peer


def _build(types: str, folder: pathlib.Path) -> None:
    ways = "expected Go 1.26 or newer to build the peer with, got none: install it"
    go = build.compiler(files.cache_directory(), tell, otherwise=ways)
    environment = {**os.environ, "GOTOOLCHAIN": "local", "GOWORK": "off", "CGO_ENABLED": "0"}
    environment["PATH"] = f"{go.parent}{os.pathsep}{os.environ['PATH']}"
    text = types.replace("// +groupName", "// +kubebuilder:object:generate=true\n// +groupName", 1)
    names = "|".join(KINDS_IN_GO)
    root = "// +kubebuilder:object:root=true\n"
    text = re.sub(rf"^type ({names}) struct", rf"{root}\g<0>", text, flags=re.MULTILINE)
    tell("building the peer in Go (minutes; once)")
    with tempfile.TemporaryDirectory() as name:
        module = pathlib.Path(name) / "module"
        shutil.copytree(MODULE, module)
        (module / VERSION / "types.go").write_text(text)
        folder.mkdir(parents=True, exist_ok=True)
        for command in (
            [str(go), "tool", "controller-gen", "object", f"paths=./{VERSION}/..."],
            [str(go), "build", "-o", f"{folder}/", "."],
        ):
            subprocess.run(command, cwd=module, env=environment, check=True)


# ----------------------------------------------------------------------------------- the cluster


def _kinds(names: Sequence[str] | None = None) -> list[registry.Kind]:
    """Kinds of the platform as if there had never been another version."""
    return [
        dataclasses.replace(
            kind, versions=tuple(one for one in kind.versions if one.name == VERSION)
        )
        for kind in crds.api
        if names is None or kind.name in names
    ]


async def prepare(client: kube.Client) -> None:
    """Install the CRDs, and wait until they are served."""
    for kind in _kinds():
        with contextlib.suppress(kube.AlreadyExistsError):
            await client.create(kube.CUSTOM_RESOURCE_DEFINITIONS, definitions.crd(crds.api, kind))
    async with asyncio.timeout(60):
        for kind in _kinds():
            resource = kube.Resource(crds.api.group, VERSION, kind.plural, kind.name)
            while not await _is_served(client, resource):  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.1)


async def _is_served(client: kube.Client, resource: kube.Resource) -> bool:
    try:
        await client.list(resource)
    except kube.NotFoundError:
        return False
    return True


async def prepare_namespace(client: kube.Client, namespace: str, seconds: float) -> None:
    """A namespace with an agent, whose pods run so long."""
    notes = {f"{devcluster.jobs.ANNOTATIONS}seconds": f"{seconds:g}"}
    metadata = {"name": namespace, "annotations": notes}
    await client.create(
        kube.NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
    )
    provider = {
        "runner": {"command": "agent-runner"},
        "adapter": {"type": "Exec", "exec": {"binary": "/bin/true"}},
    }
    agent = {"providerRef": {"name": "shell"}}
    for resource, name, spec in (
        (projections.PROVIDERS, "shell", provider),
        (projections.AGENTS, "coder", agent),
    ):
        await client.create(resource, of(resource, name, namespace, spec))


def agent_run(name: str, namespace: str) -> dict[str, Any]:
    """A run of 1 KB of that agent; its Job outlives the benchmark."""
    spec = {
        "agentRef": {"name": "coder"},
        "implementation": {"inline": {"text": "Make the login page work again. " * 16}},
        "parameters": [
            {"name": "repository", "value": "example/shop"},
            {"name": "base", "value": "main"},
            {"name": "head", "value": "fix/login"},
        ],
        "runtime": {"type": "Job", "jobTTL": "24h"},
    }
    return of(projections.RUNS, name, namespace, spec)


def of(resource: kube.Resource, name: str, namespace: str, spec: Any) -> dict[str, Any]:
    """An object of a kind."""
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }


def tell(line: str) -> None:
    """Say how the command gets on."""
    print(line, file=sys.stderr)  # noqa: T201 - progress of the command
