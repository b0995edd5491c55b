"""``schemagen generate`` against controller-gen: the same CRDs, whole processes, side by side.

``python -m tests.bench.bench_schemagen`` in the repository's root. Shell: processes and files.
controller-gen is a tool dependency of a Go module, run as those are (``go tool``); the ratio
to reach is to that. The bare binary, built once into the user's cache, is timed beside it. Its
Go types come from our CRDs (``go_types``).
Exit code 1: the CRDs differ in more than is explained here, or schemagen is not fast enough.
"""

import argparse
import dataclasses
import hashlib
import os
import pathlib
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence

from controllers.devcluster import build, tools, versions
from schemagen import files, yaml
from schemagen.crd import definitions
from schemagen.problems import JSON
from schemagen.schema import keywords
from tests.bench import go_types

ROOT = pathlib.Path(__file__).parents[2]
REFERENCE = "crds:api"

MAX_SECONDS = 0.5
MIN_RATIO = 3.0

GO_TOOL = "go tool controller-gen"
MODULE = pathlib.Path(__file__).parent / "controller_gen"
CONTROLLER_GEN = tools.Tool(
    "controller-gen",
    "sigs.k8s.io/controller-tools/cmd/controller-gen",
    ("--version",),
    60,
    folder=MODULE,
)

# What controller-gen adds to every CRD: metav1.TypeMeta's comments, and its own version.
ADDED_DESCRIPTIONS = (".apiVersion", ".kind")
ADDED_ANNOTATION = "controller-gen.kubebuilder.io/version"


@dataclasses.dataclass(frozen=True)
class Command:
    """A program to time.

    Attributes:
        name: In the table.
        arguments: All but the last one.
        out: The last one; it names the folder to write to.
        folder: Where it runs.
        environment: What it runs with.
    """

    name: str
    arguments: Sequence[str | pathlib.Path]
    out: str
    folder: pathlib.Path
    environment: Mapping[str, str]

    def run(self, out: pathlib.Path) -> "Taken":
        """Have the CRDs written to a folder, which is not there yet."""
        cpu, wall = _cpu_seconds_of_children(), time.perf_counter()
        subprocess.run(
            [*self.arguments, self.out.format(out)],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            check=True,
        )
        return Taken(time.perf_counter() - wall, _cpu_seconds_of_children() - cpu)


@dataclasses.dataclass(frozen=True)
class Taken:
    """What one run took: time on the wall, and of the CPU in the process and its children."""

    wall_seconds: float
    cpu_seconds: float


@dataclasses.dataclass(frozen=True)
class Comparison:
    """How many nodes two CRDs' schemas have in all, how many are equal, and what differs."""

    nodes: int
    equal: int
    explained: int
    unexplained: Sequence[str]


def main() -> int:
    """Compare the CRDs, then the times; 1 if either is not as it should be."""
    parser = argparse.ArgumentParser(description="schemagen generate against controller-gen")
    parser.add_argument("--rounds", type=int, default=15, help="runs of each (default: 15)")
    rounds: int = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as name:
        scratch = pathlib.Path(name)
        commands = [*_controller_gen(scratch), *_schemagen(scratch)]
        # The first run of each fills the caches that the others are measured with.
        first = [scratch / "first" / command.name for command in commands]
        for command, out in zip(commands, first, strict=True):
            command.run(out)
        is_same = _is_same(theirs=first[0], ours=first[2])
        taken = _timed(commands, rounds, scratch)
    return 0 if _is_fast(taken) and is_same else 1


def _cpu_seconds_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _schemagen(scratch: pathlib.Path) -> list[Command]:
    """The command as it is, and with as few checks as controller-gen has.

    The judge's verdict on a CRD is remembered: after the first run neither asks for it.
    """
    program = pathlib.Path(sys.executable).with_name("schemagen")
    # An installed package has its bytecode, whatever the environment says of a source tree's.
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(scratch / "bytecode")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    arguments: list[str | pathlib.Path] = [program, "generate", REFERENCE]
    commands = {"schemagen": arguments, "schemagen --no-judge": [*arguments, "--no-judge"]}
    return [
        Command(name, arguments, "--out={}", ROOT, environment)
        for name, arguments in commands.items()
    ]


def _controller_gen(scratch: pathlib.Path) -> list[Command]:
    """controller-gen on a Go module with the same API: as its tool dependency, and bare."""
    module = scratch / "module"
    shutil.copytree(MODULE, module)
    api = files.load_api(REFERENCE)
    for version, source in go_types.packages([definitions.crd(api, kind) for kind in api]).items():
        (module / version).mkdir()
        (module / version / "types.go").write_text(source)
    program, go = _built()
    # It runs the go command, on these modules only.
    environment = {
        **os.environ,
        "PATH": f"{go.parent}{os.pathsep}{os.environ['PATH']}",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }
    ways: dict[str, list[str | pathlib.Path]] = {
        GO_TOOL: [go, "tool", CONTROLLER_GEN.name],
        CONTROLLER_GEN.name: [program],
    }
    return [
        Command(name, [*start, "crd", "paths=./..."], "output:crd:dir={}", module, environment)
        for name, start in ways.items()
    ]


def _built() -> tuple[pathlib.Path, pathlib.Path]:
    """controller-gen, built if it is nowhere, and the Go that it is to ask for packages."""
    cache = files.cache_directory()
    modules = b"".join((MODULE / name).read_bytes() for name in ("go.mod", "go.sum"))
    path = cache / "bench" / hashlib.sha256(modules).hexdigest()[:16] / CONTROLLER_GEN.name
    build.build(
        CONTROLLER_GEN,
        path,
        version=versions.wanted(),
        cache=cache,
        is_usable=pathlib.Path.is_file,
        tell=_tell,
    )
    go = build.compiler(cache, _tell, otherwise=build.ways_to(CONTROLLER_GEN))
    return path, go


def _tell(line: str) -> None:
    print(line, file=sys.stderr)  # noqa: T201 - progress of the command


def _is_same(*, theirs: pathlib.Path, ours: pathlib.Path) -> bool:
    """Whether both wrote the same files with the same CRDs, but for what is explained."""
    names = sorted(path.name for path in ours.iterdir())
    if names != sorted(path.name for path in theirs.iterdir()):
        _tell(f"expected controller-gen to write {names}, got other files")
        return False
    found = [compared(_crd(theirs / name), _crd(ours / name)) for name in names]
    for line in (line for one in found for line in one.unexplained):
        _tell(line)
    nodes = sum(one.nodes for one in found)
    equal = sum(one.equal for one in found)
    explained = sum(one.explained for one in found)
    print(  # noqa: T201 - the command's output
        f"{equal} of {nodes} nodes equal, descriptions included; {explained} differ only in the "
        "comments of metav1.TypeMeta, which controller-gen adds"
    )
    return nodes == equal + explained and not any(one.unexplained for one in found)


def _crd(path: pathlib.Path) -> JSON:
    return yaml.load(path.read_bytes())


def compared(theirs: JSON, ours: JSON) -> Comparison:
    """Compare controller-gen's CRD with ours; the order of keys and of ``required`` is no data."""
    at = f"{ours['metadata']['name']} "
    their_nodes, our_nodes = dict(_all_nodes(theirs)), dict(_all_nodes(ours))
    paths = their_nodes.keys() | our_nodes.keys()
    different = sorted(path for path in paths if their_nodes.get(path) != our_nodes.get(path))
    explained = [path for path in different if path[1] in ADDED_DESCRIPTIONS]
    unexplained = [
        f"{at}{' '.join(path)}: {their_nodes.get(path)} there, {our_nodes.get(path)} here"
        for path in different
        if path not in explained
        or _without_description(their_nodes.get(path)) != our_nodes.get(path)
    ]
    outside = _outside_of_schemas(theirs), _outside_of_schemas(ours)
    if outside[0] != outside[1]:
        unexplained.append(f"{at}outside of the schemas: {outside[0]} there, {outside[1]} here")
    return Comparison(len(paths), len(paths) - len(different), len(explained), unexplained)


def _without_description(node: JSON) -> JSON:
    return node and {name: value for name, value in node.items() if name != "description"}


def _all_nodes(found: JSON) -> Iterator[tuple[tuple[str, str], JSON]]:
    for version in found["spec"]["versions"]:
        for path, node in keywords.nodes(version["schema"]["openAPIV3Schema"]):
            yield (version["name"], "".join(path)), _own(node)


def _own(node: JSON) -> JSON:
    """What a node of a schema says itself."""
    return {
        keyword: sorted(value) if keyword == "required" else value
        for keyword, value in node.items()
        if keyword not in ("properties", "items", "additionalProperties")
    }


def _outside_of_schemas(found: JSON) -> JSON:
    metadata = found["metadata"]
    annotations = {**metadata.get("annotations", {})}
    annotations.pop(ADDED_ANNOTATION, None)
    entries = [
        {name: value for name, value in version.items() if name != "schema"}
        for version in found["spec"]["versions"]
    ]
    return {
        **found,
        "metadata": {**metadata, "annotations": annotations},
        "spec": {**found["spec"], "versions": entries},
    }


def _timed(
    commands: Sequence[Command], rounds: int, scratch: pathlib.Path
) -> dict[str, list[Taken]]:
    """What each took, round by round: what else the machine does meanwhile hits all alike."""
    taken: dict[str, list[Taken]] = {command.name: [] for command in commands}
    for number in range(rounds):
        for command in commands:
            out = scratch / str(number) / command.name
            taken[command.name].append(command.run(out))
    return taken


def _is_fast(taken: Mapping[str, Sequence[Taken]]) -> bool:
    """Print the table; whether the plain command is fast enough, itself and by comparison."""
    theirs = _median_seconds(taken[GO_TOOL])
    lines = [f"{'medians':24} {'wall':>8} {'CPU':>8} {'faster by':>11}"]
    for name, runs in taken.items():
        wall = _median_seconds(runs)
        cpu = statistics.median(run.cpu_seconds for run in runs)
        lines.append(f"{name:24} {wall:6.2f} s {cpu:6.2f} s {theirs / wall:10.2f}x")
    lines.append("(unchanged models: schemagen remembers the API server's verdict on these CRDs)")
    print("\n".join(lines))  # noqa: T201 - the command's output
    ours = _median_seconds(taken["schemagen"])
    is_fast = ours <= MAX_SECONDS and theirs / ours >= MIN_RATIO
    if not is_fast:
        _tell(
            f"expected schemagen to take at most {MAX_SECONDS} s and to be {MIN_RATIO:.0f} "
            f"times as fast as controller-gen, got {ours:.2f} s and {theirs / ours:.2f} times"
        )
    return is_fast


def _median_seconds(runs: Sequence[Taken]) -> float:
    return statistics.median(run.wall_seconds for run in runs)


if __name__ == "__main__":
    sys.exit(main())
