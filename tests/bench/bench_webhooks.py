"""The webhook server against one of controller-runtime: same types, rules, defaults, conversion.

``python -m tests.bench.bench_webhooks`` builds the peer (Go; minutes, once) and a client in Go,
starts both servers, and sends both the same reviews in turn. Ours runs with everything on: metrics,
deadlines, caps, access log, audit log; residue is looked for in every conversion. Exit code 1: it
is less than it should be. Shell: processes.
"""

import argparse
import dataclasses
import datetime as dt
import functools
import hashlib
import json
import os
import pathlib
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import orjson
import rich.box
import rich.console
import rich.table

import crds
from certs.directory import files as certificates
from certs.directory.contents import CA_CERTIFICATE
from controllers.devcluster import build
from controllers.process import addresses
from schemagen import files
from schemagen.crd import definitions
from schemagen.versions import graph
from tests.bench import bench_conversion, go_types
from tests.support import processes

MODULE = pathlib.Path(__file__).parent / "webhooks" / "peer"
ROOT = pathlib.Path(__file__).parents[2]
OF_GENERATED = {
    "// +groupName": "// +kubebuilder:object:generate=true\n// +groupName",
    "type AgentRun struct": "// +kubebuilder:object:root=true\ntype AgentRun struct",
}
# How much less CPU a review is to take than in the peer.
WANTED = {
    "validate": 3.5,
    "mutate": 6.0,
    "convert 1": 3.5,
    "convert 500": 4.0,
    "create v1alpha1": 1.0,
    "update v1alpha1": 1.0,
}
# A validator of controller-runtime is made for one version; it has another path for the older one.
PEER_PATHS = {"create v1alpha1": "/validate-older", "update v1alpha1": "/validate-older"}
WANTED_P99 = 1 / 3
WANTED_RESIDENT = 1.2
CONNECTIONS = (1, 8, 64)
GATED_CONNECTIONS = 8


@dataclasses.dataclass(frozen=True)
class Program:
    """A server that runs."""

    name: str
    url: str
    process: subprocess.Popen[str]

    def cpu_seconds(self) -> float:
        """What all of its processes used so far."""
        nanoseconds = 0
        for pid in processes.family_of(self.process.pid):
            for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
                nanoseconds += int((task / "schedstat").read_text().split()[0])
        return nanoseconds / 1e9

    def resident_bytes(self) -> int:
        """The memory of what answers: of ours, a worker and its second process."""
        first, *others = processes.family_of(self.process.pid)
        return sum(map(processes.resident_bytes, others or [first]))


@dataclasses.dataclass(frozen=True)
class Measured:
    """One round of one load against one server."""

    cpu_microseconds: float
    requests_a_second: float
    p50_ms: float
    p99_ms: float


def bodies() -> Mapping[str, tuple[str, bytes]]:
    """The reviews: a run of five steps, 3 KB."""
    kind = next(one for one in crds.api if one.name == "AgentRun")
    old = bench_conversion.run()
    new = graph.convert(crds.api, kind, old, source="v1alpha1", target="v1beta1").object
    plain = json.loads(json.dumps(new))
    del plain["spec"]["vcs"]["mode"]
    changed = json.loads(json.dumps(old))
    changed["spec"]["ttlSecondsAfterFinished"] = 77
    return {
        "validate": ("/validate", _admission(new)),
        "mutate": ("/mutate", _admission(plain)),
        "convert 1": ("/convert", _conversion([old])),
        "convert 500": ("/convert", _conversion([old] * 500)),
        "create v1alpha1": ("/validate", _admission(old)),
        "update v1alpha1": ("/validate", _admission(changed, old)),
    }


def _admission(value: Mapping[str, Any], old: Mapping[str, Any] | None = None) -> bytes:
    group, _, version = value["apiVersion"].partition("/")
    request = {
        "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
        "kind": {"group": group, "version": version, "kind": value["kind"]},
        "resource": {"group": group, "version": version, "resource": "agentruns"},
        "name": "one",
        "namespace": "default",
        "operation": "CREATE" if old is None else "UPDATE",
        "userInfo": {"username": "admin", "groups": ["system:authenticated"]},
        "object": value,
        "oldObject": old,
        "dryRun": False,
    }
    review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
    return orjson.dumps(review)


def _conversion(values: Sequence[Any]) -> bytes:
    request = {
        "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
        "desiredAPIVersion": f"{crds.api.group}/v1beta1",
        "objects": values,
    }
    return orjson.dumps(
        {"apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview", "request": request}
    )


@functools.cache
def built() -> tuple[pathlib.Path, pathlib.Path]:
    """The peer and the client, built if their sources are others now."""
    kind = next(one for one in crds.api if one.name == "AgentRun")
    api = dataclasses.replace(crds.api, kinds=(kind,))
    generated = go_types.packages([definitions.crd(api, kind)])
    sources = {path: path.read_bytes() for path in sorted(MODULE.rglob("*")) if path.is_file()}
    digest = hashlib.sha256(b"".join([*sources.values(), repr(generated).encode()])).hexdigest()
    folder = files.cache_directory() / "bench" / f"peer-{digest[:16]}"
    peer, load = folder / "peer", folder / "load"
    if not peer.exists():
        _build(generated, folder)
    return peer, load


def _build(generated: Mapping[str, str], folder: pathlib.Path) -> None:
    cache = files.cache_directory()
    ways = "expected Go 1.26 or newer to build the peer with, got none: install it"
    go = build.compiler(cache, _tell, otherwise=ways)
    environment = {**os.environ, "GOTOOLCHAIN": "local", "GOWORK": "off", "GOFLAGS": "-mod=mod"}
    environment["PATH"] = f"{go.parent}{os.pathsep}{os.environ['PATH']}"
    _tell("building the peer (minutes; once)")
    with tempfile.TemporaryDirectory() as name:
        module = pathlib.Path(name) / "module"
        shutil.copytree(MODULE, module)
        for version, source in generated.items():
            text = source
            for before, after in OF_GENERATED.items():
                text = text.replace(before, after, 1)
            (module / version / "types.go").write_text(text)
        paths = [f"paths=./{version}/..." for version in generated]
        folder.mkdir(parents=True, exist_ok=True)
        for command in (
            [str(go), "tool", "controller-gen", "object", *paths],
            [str(go), "build", "-trimpath", "-o", f"{folder}/", ".", "./load"],
        ):
            subprocess.run(command, cwd=module, env=environment, check=True)


@contextmanager
def serving(directory: pathlib.Path, transport: str) -> Iterator[tuple[Program, Program]]:
    """Both servers, with one certificate."""
    folder = directory / "certificates"
    certificates.load_or_create(folder, addresses.names("127.0.0.1"), dt.datetime.now(dt.UTC))
    peer, _ = built()
    schema = directory / "schema.json"
    schema.write_bytes(orjson.dumps(_hub_schema()))
    commands = {
        "ours": [
            *(sys.executable, "-m", "webhooks", "serve", "crds:api", "--port", "0"),
            *("--cert-dir", str(folder), "--workers", "1", "--transport", transport),
            *("--audit-log", str(directory / "audit.jsonl")),
        ],
        "peer": [
            *(str(peer), "--port", str(_free_port()), "--cert-dir", str(folder)),
            *("--schema", str(schema)),
        ],
    }
    with (directory / "log").open("w") as log:
        programs = [_started(name, command, log) for name, command in commands.items()]
        try:
            yield programs[0], programs[1]
        finally:
            for one in programs:
                one.process.send_signal(signal.SIGTERM)
            for one in programs:
                one.process.wait()


def _hub_schema() -> Any:
    """What v1beta1 asks, as its CRD says it."""
    kind = next(one for one in crds.api if one.name == "AgentRun")
    return definitions.crd(crds.api, kind)["spec"]["versions"][-1]["schema"]["openAPIV3Schema"]


def _started(name: str, command: Sequence[str], log: Any) -> Program:
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line.startswith("serving "):
        raise SystemExit(f"expected {name} to serve, got {line!r}; see {log.name}")
    return Program(name, line.split()[-1], process)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def sent(
    program: Program,
    directory: pathlib.Path,
    path: str,
    body: pathlib.Path,
    *,
    many: tuple[int, int],
) -> Measured:
    """One load: ``many`` are connections and requests."""
    _, load = built()
    before = program.cpu_seconds()
    done = subprocess.run(
        [
            *(str(load), "--url", program.url + path, "--body", str(body)),
            *("--ca", str(directory / "certificates" / CA_CERTIFICATE)),
            *("--connections", str(many[0]), "--requests", str(many[1])),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    if found["failed"]:
        raise SystemExit(f"expected {program.name} to answer, got {found['failed']} failures")
    return Measured(
        (program.cpu_seconds() - before) / many[1] * 1e6,
        many[1] / found["seconds"],
        found["p50"] * 1e3,
        found["p99"] * 1e3,
    )


def measured(
    programs: Sequence[Program],
    directory: pathlib.Path,
    rounds: int,
    requests: int,
    only: Sequence[str] | None = None,
) -> Iterator[tuple[str, int, dict[str, Measured]]]:
    """Medians for each load and number of connections, by program; rounds alternate."""
    loads = {**bodies(), "echo in Go": ("/echo", bodies()["validate"][1])}
    for name, (path, data) in loads.items():
        if only and name not in only:
            continue
        body = directory / "body.json"
        body.write_bytes(data)
        asked = programs if name != "echo in Go" else programs[1:]
        count = max(10, requests // 150) if name == "convert 500" else requests
        for connections in CONNECTIONS:
            many = (connections, max(count, connections))
            found: dict[str, list[Measured]] = {one.name: [] for one in asked}
            for one in asked:
                warm = (connections, max(connections, count // 5))
                sent(one, directory, _path_of(one, name, path), body, many=warm)
            for _ in range(rounds):
                for one in asked:
                    at = _path_of(one, name, path)
                    found[one.name].append(sent(one, directory, at, body, many=many))
            yield name, connections, {key: _median(ones) for key, ones in found.items()}


def _path_of(program: Program, load: str, path: str) -> str:
    return PEER_PATHS.get(load, path) if program.name == "peer" else path


def _median(ones: Sequence[Measured]) -> Measured:
    columns = zip(*(dataclasses.astuple(one) for one in ones), strict=True)
    return Measured(*map(statistics.median, columns))


def main() -> int:
    """Measure, show a table, and say what is short."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=3000)
    parser.add_argument("--loads", nargs="*", help="Only these, by name.")
    parser.add_argument("--transport", choices=["lean", "aiohttp"], default="lean")
    given = parser.parse_args()
    table = rich.table.Table(
        *("review", "connections", "CPU us, ours", "CPU us, peer", "ratio"),
        *("req/s, ours", "req/s, peer", "p50 ms", "p99 ms, ours", "p99 ms, peer"),
        box=rich.box.SIMPLE,
    )
    short: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        with serving(directory, given.transport) as programs:
            for load, connections, found in measured(
                programs, directory, given.rounds, given.requests, given.loads
            ):
                table.add_row(load, str(connections), *_row(found))
                short += _short(load, connections, found)
            ours, peer = (one.resident_bytes() / 2**20 for one in programs)
    rich.console.Console(width=140).print(table)
    short += [f"memory: {ours / peer:.2f} of the peer's"] if ours > peer * WANTED_RESIDENT else []
    print(f"memory of a worker {ours:.0f} MiB, of the peer {peer:.0f} MiB")  # noqa: T201 - output
    print(f"short: {'; '.join(short) or 'nothing'}")  # noqa: T201 - likewise
    return 1 if short else 0


def _row(found: Mapping[str, Measured]) -> list[str]:
    peer = found["peer"]
    ours = found.get("ours")
    if ours is None:
        return [
            *("", f"{peer.cpu_microseconds:.0f}", "", "", f"{peer.requests_a_second:.0f}"),
            *(f"{peer.p50_ms:.2f}", "", f"{peer.p99_ms:.2f}"),
        ]
    return [
        f"{ours.cpu_microseconds:.0f}",
        f"{peer.cpu_microseconds:.0f}",
        f"{peer.cpu_microseconds / ours.cpu_microseconds:.2f}",
        f"{ours.requests_a_second:.0f}",
        f"{peer.requests_a_second:.0f}",
        f"{ours.p50_ms:.2f} / {peer.p50_ms:.2f}",
        f"{ours.p99_ms:.2f}",
        f"{peer.p99_ms:.2f}",
    ]


def _short(load: str, connections: int, found: Mapping[str, Measured]) -> list[str]:
    if load not in WANTED or connections != GATED_CONNECTIONS:
        return []
    ours, peer = found["ours"], found["peer"]
    ratio, p99 = peer.cpu_microseconds / ours.cpu_microseconds, ours.p99_ms / peer.p99_ms
    return [
        *([f"{load}: {ratio:.2f} of {WANTED[load]}"] if ratio < WANTED[load] else []),
        *([f"{load}: p99 {p99:.2f} of the peer's"] if p99 > WANTED_P99 else []),
    ]


def _tell(line: str) -> None:
    print(line, file=sys.stderr)  # noqa: T201 - progress of the command


if __name__ == "__main__":
    sys.exit(main())
