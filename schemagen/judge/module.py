"""The judge's WebAssembly module, and its machine code, compiled once. Shell: files."""

import contextlib
import fcntl
import hashlib
import os
import pathlib
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from schemagen import files, ownership
from schemagen.judge import recipe

if TYPE_CHECKING:
    import wasmtime

SOURCE = pathlib.Path(__file__).parent
NAME = "judge.wasm"

Tell = Callable[[str], None]


def built_path(environment: Mapping[str, str] = os.environ) -> pathlib.Path:
    """Where the module is built to: a folder of the user's cache for just these sources."""
    return files.cache_directory(environment) / "judge" / _digest() / NAME


def find(environment: Mapping[str, str] = os.environ) -> pathlib.Path | None:
    """The module: in the package, as wheels have it, or built in the cache; None if nowhere."""
    for path in (SOURCE / NAME, built_path(environment)):
        if path.is_file():
            return path
    return None


def compiled(engine: "wasmtime.Engine", path: pathlib.Path, tell: Tell) -> "wasmtime.Module":
    """The module's machine code: from the cache, else compiled into it (half a minute, once).

    Whoever could write to the cache could have this process execute anything: it is used only
    where nobody but its user and root could; else the module is compiled in memory, each time.
    """
    native = _native_path()
    try:
        files.make_private(native.parent)
        reason = ownership.why_untrusted(native.parent)
        if not reason:
            return _cached(engine, native, path, tell)
    except OSError as error:
        reason = f"{native.parent} cannot be used: {error.strerror or error}"
    _tell_once(
        f"compiling the API server's judge in memory (half a minute, each time): {reason}", tell
    )
    return _compiled(engine, path)


def _cached(
    engine: "wasmtime.Engine", native: pathlib.Path, path: pathlib.Path, tell: Tell
) -> "wasmtime.Module":
    """The machine code in a folder that only its user can write to; it is made anew if need be."""
    if (found := _loaded(engine, native, tell)) is not None:
        return found
    with _locked(native.with_suffix(".lock")):
        if (found := _loaded(engine, native, tell)) is not None:
            return found
        tell("compiling the API server's judge for this machine (half a minute, once)")
        files.replace(native, bytes(_compiled(engine, path).serialize()))
    # The compiler's memory has gone with the module that it made.
    found = _loaded(engine, native, tell)
    return _compiled(engine, path) if found is None else found


def _loaded(
    engine: "wasmtime.Engine", native: pathlib.Path, tell: Tell
) -> "wasmtime.Module | None":
    """The machine code in a file; None if there is none to be used."""
    import wasmtime  # noqa: PLC0415 - 0.1 s that only judging needs

    with contextlib.suppress(FileNotFoundError, wasmtime.WasmtimeError):
        reason = ownership.why_untrusted(native)
        if not reason:
            return wasmtime.Module.deserialize_file(engine, str(native))
        _tell_once(f"compiling the API server's judge anew: {reason}", tell)
    return None


def _compiled(engine: "wasmtime.Engine", path: pathlib.Path) -> "wasmtime.Module":
    import wasmtime  # noqa: PLC0415 - 0.1 s that only judging needs

    return wasmtime.Module.from_file(engine, str(path))


_told: Final[set[str]] = set()


def _tell_once(line: str, tell: Tell) -> None:
    """Tell what this process has not told before."""
    if line not in _told:
        _told.add(line)
        tell(line)


def _native_path() -> pathlib.Path:
    machine = os.uname()
    runtime = f"{_wasmtime_version()}-{machine.sysname}-{machine.machine}"
    return files.cache_directory() / "judge" / _digest() / f"{runtime.lower()}.native"


def _wasmtime_version() -> str:
    """Keeps the code of several installations apart; wasmtime itself refuses another version's.

    importlib.metadata would say it too, but takes 15 ms to import.
    """
    import wasmtime  # noqa: PLC0415 - 0.1 s that only judging needs

    site = pathlib.Path(wasmtime.__file__).parents[1]
    return next((path.stem.partition("-")[2] for path in site.glob("wasmtime-*.dist-info")), "any")


def _digest() -> str:
    """Names sources and recipe: the module, of 38 MB, would take longer to read than to load."""
    digest = hashlib.sha256()
    for path in [*recipe.sources(SOURCE), pathlib.Path(recipe.__file__)]:
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


@contextlib.contextmanager
def _locked(path: pathlib.Path) -> Iterator[None]:
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
