"""The judge's WebAssembly module and its compiled machine code. Shell: files."""

import contextlib
import fcntl
import hashlib
import os
import pathlib
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from schemagen import file_ownership, files
from schemagen.judge import minors, recipe

if TYPE_CHECKING:
    import wasmtime

SOURCE = pathlib.Path(__file__).parent
NAME = "judge.wasm"

Tell = Callable[[str], None]


def built_path(
    environment: Mapping[str, str] = os.environ, minor: minors.Minor | None = None
) -> pathlib.Path:
    """Return the path of the built module: a directory in the user's cache for its sources.

    Args:
        environment: It may name another cache.
        minor: An older minor version; None for the newest.
    """
    digest = _digest() if minor is None else minor.digest
    return files.cache_directory(environment) / "judge" / digest / NAME


def find(
    environment: Mapping[str, str] = os.environ, minor: minors.Minor | None = None
) -> pathlib.Path | None:
    """Return the module in the package or in the build cache; None if neither exists.

    The package contains that of the newest minor version only.
    """
    shipped = [SOURCE / NAME] if minor is None else []
    for path in (*shipped, built_path(environment, minor)):
        if path.is_file():
            return path
    return None


def compiled(
    engine: "wasmtime.Engine",
    path: pathlib.Path,
    tell: Tell,
    minor: minors.Minor | None = None,
) -> "wasmtime.Module":
    """Return the module's machine code from the cache, compiling it if missing (half a minute).

    Anyone who can write to the cache could execute code in this process: it is used only if
    writable by nobody but its user and root; otherwise the module is compiled in memory, each time.
    """
    name = "the API server's judge" + (f" of Kubernetes {minor}" if minor is not None else "")
    native = _native_path(minor)
    try:
        files.make_private(native.parent)
        reason = file_ownership.why_untrusted(native.parent)
        if not reason:
            return _cached(engine, native, path, tell, name=name)
    except OSError as error:
        reason = f"{native.parent} cannot be used: {error.strerror or error}"
    _report_once(f"compiling {name} in memory (half a minute, each time): {reason}", tell)
    return _compiled(engine, path)


def _cached(
    engine: "wasmtime.Engine", native: pathlib.Path, path: pathlib.Path, report: Tell, *, name: str
) -> "wasmtime.Module":
    """Return the machine code from a directory private to its user, compiling it if needed."""
    if (native_module := _loaded(engine, native, report, name)) is not None:
        return native_module
    with _locked(native.with_suffix(".lock")):
        if (native_module := _loaded(engine, native, report, name)) is not None:
            return native_module
        report(f"compiling {name} for this machine (half a minute, once)")
        files.replace(native, bytes(_compiled(engine, path).serialize()))
    # Dropping the module frees the compiler's memory.
    native_module = _loaded(engine, native, report, name)
    return _compiled(engine, path) if native_module is None else native_module


def _loaded(
    engine: "wasmtime.Engine", native: pathlib.Path, report: Tell, name: str
) -> "wasmtime.Module | None":
    """Return the machine code in a file; None if there is no usable file."""
    import wasmtime  # noqa: PLC0415 - 0.1 s that only judging needs

    with contextlib.suppress(FileNotFoundError, wasmtime.WasmtimeError):
        reason = file_ownership.why_untrusted(native)
        if not reason:
            return wasmtime.Module.deserialize_file(engine, str(native))
        _report_once(f"compiling {name} anew: {reason}", report)
    return None


def _compiled(engine: "wasmtime.Engine", path: pathlib.Path) -> "wasmtime.Module":
    import wasmtime  # noqa: PLC0415 - 0.1 s that only judging needs

    return wasmtime.Module.from_file(engine, str(path))


_reported: Final[set[str]] = set()


def _report_once(line: str, report: Tell) -> None:
    """Report a line unless this process already reported it."""
    if line not in _reported:
        _reported.add(line)
        report(line)


def _native_path(minor: minors.Minor | None) -> pathlib.Path:
    machine = os.uname()
    runtime = f"{_wasmtime_version()}-{machine.sysname}-{machine.machine}"
    return built_path(minor=minor).with_name(f"{runtime.lower()}.native")


def _wasmtime_version() -> str:
    """Return wasmtime's version, to separate installations; it refuses code of another version.

    importlib.metadata would provide it too, but takes 15 ms to import.
    """
    import wasmtime  # noqa: PLC0415 - 0.1 s that only judging needs

    site = pathlib.Path(wasmtime.__file__).parents[1]
    return next((path.stem.partition("-")[2] for path in site.glob("wasmtime-*.dist-info")), "any")


def _digest() -> str:
    """Return the digest of sources and recipe; reading the 38 MB module takes longer."""
    digest = hashlib.sha256()
    for path in [*recipe.sources(SOURCE), pathlib.Path(recipe.__file__)]:
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


@contextlib.contextmanager
def _locked(path: pathlib.Path) -> Iterator[None]:
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
