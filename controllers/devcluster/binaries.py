"""Finds the control plane's binaries, or builds them. Shell: files, environment, processes."""

import dataclasses
import hashlib
import os
import pathlib
import platform
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping

from controllers.devcluster import build, errors, tools, versions
from schemagen import files
from schemagen.judge import minors, module

ASSETS_VARIABLE = "KUBEBUILDER_ASSETS"
_VERSION_SECONDS = 20
_SHOWN_CHARACTERS = 256

Tell = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class Binary:
    """A usable binary, its version, and where it was found."""

    tool: tools.Tool
    path: pathlib.Path
    version: versions.Version
    origin: str

    def __str__(self) -> str:
        return f"{self.tool.name} {self.version} ({self.origin}: {self.path})"


def find(
    requested: Iterable[tools.Tool] = tools.NEEDED,
    *,
    tell: Tell = print,
    environment: Mapping[str, str] = os.environ,
) -> dict[str, Binary]:
    """Return a binary for each tool, building the missing ones.

    Order: KUBEBUILDER_ASSETS, PATH, the user's cache, Go modules. Skipped binaries, and versions
    other than the requested one, are reported.

    Raises:
        errors.DevclusterError: Lists the ways to get a binary.
    """
    return {tool.name: _found(tool, tell, environment) for tool in requested}


def locate(
    tool: tools.Tool, *, tell: Tell = print, environment: Mapping[str, str] = os.environ
) -> Binary | None:
    """Return a tool's binary if a usable one exists; build nothing."""
    for origin, path in _candidates(tool, tell, environment):
        binary = _usable(tool, path, origin, tell)
        if binary is not None:
            return binary
    return None


def judge(*, tell: Tell = print) -> pathlib.Path:
    """Return the path of the judge's module (``schemagen.judge``), building it if necessary.

    Raises:
        errors.DevclusterError: Lists the ways to build it.
    """
    existing = module.find()
    if existing is not None:
        return existing
    path = module.built_path()
    build.build(
        tools.JUDGE,
        path,
        version=versions.wanted(),
        cache=files.cache_directory(),
        is_usable=pathlib.Path.is_file,
        tell=tell,
    )
    return path


def older_judge(minor: minors.Minor, *, tell: Tell = print) -> pathlib.Path:
    """Return the path of the judge of an older minor version, building it if necessary.

    Raises:
        errors.DevclusterError: Lists the ways to build it.
    """
    path = module.built_path(minor=minor)
    if not path.is_file():
        build.build(
            tools.older_judge(minor),
            path,
            version=versions.wanted(),
            cache=files.cache_directory(),
            is_usable=pathlib.Path.is_file,
            tell=tell,
        )
    return path


def built_directory(environment: Mapping[str, str] = os.environ) -> pathlib.Path:
    """The cache directory of the requested version's binaries, by platform and modules."""
    modules = b"".join(path.read_bytes() for path in (build.GO_MOD, build.GO_SUM))
    digest = hashlib.sha256(modules).hexdigest()[:8]
    name = f"{versions.wanted(environment)}-{digest}-{platform.system()}-{platform.machine()}"
    return files.cache_directory(environment) / "tools" / name.lower()


def _found(tool: tools.Tool, tell: Tell, environment: Mapping[str, str]) -> Binary:
    binary = locate(tool, tell=tell, environment=environment)
    if binary is None:
        path = built_directory(environment) / tool.name
        build.build(
            tool,
            path,
            version=versions.wanted(environment),
            cache=files.cache_directory(environment),
            is_usable=lambda candidate: _usable(tool, candidate, "cache", _ignore) is not None,
            tell=tell,
        )
        binary = _usable(tool, path, "built", tell)
    if binary is None:
        raise errors.ToolNotFoundError(build.ways_to(tool))
    requested = versions.wanted(environment)
    if tool.is_kubernetes and binary.version != requested:
        tell(f"using {binary} instead of {requested}")
    return binary


def _ignore(_: str) -> None:
    """Ignore a line that was reported before."""


def _candidates(
    tool: tools.Tool, tell: Tell, environment: Mapping[str, str]
) -> Iterator[tuple[str, pathlib.Path]]:
    if assets := environment.get(ASSETS_VARIABLE):
        path = pathlib.Path(assets).absolute() / tool.name
        if path.is_file():
            yield ASSETS_VARIABLE, path
        else:
            tell(f"{ASSETS_VARIABLE}={assets} has no {tool.name}; continuing the search")
    on_path = shutil.which(tool.name, path=environment.get("PATH", ""))
    if on_path is not None:
        yield "PATH", pathlib.Path(on_path).absolute()
    cached = built_directory(environment) / tool.name
    if cached.is_file():
        yield "cache", cached


def _usable(tool: tools.Tool, path: pathlib.Path, origin: str, tell: Tell) -> Binary | None:
    """Return the binary at a path; report and skip it if it fails or is too old."""
    version, fault = _version(tool, path)
    if version is None:
        tell(f"skipping {path} ({origin}): {fault}")
        return None
    if tool.is_kubernetes and version < versions.OLDEST:
        tell(
            f"skipping {path} ({origin}): expected {tool.name} {versions.OLDEST} or newer, "
            f"got {version}"
        )
        return None
    return Binary(tool, path, version, origin)


def _version(tool: tools.Tool, path: pathlib.Path) -> tuple[versions.Version | None, str]:
    """Return a binary's version, or why it is unknown."""
    try:
        result = subprocess.run(  # noqa: S603 - the user's own binary
            [path, *tool.version_arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_VERSION_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return None, f"expected a program that prints its version, got {error}"
    version = versions.Version.found_in(result.stdout) if result.returncode == 0 else None
    last = (result.stderr or result.stdout).strip().splitlines()[-1:] or ["nothing"]
    return (
        version,
        f"expected a version, got exit code {result.returncode} and: {last[0][:_SHOWN_CHARACTERS]}",
    )
