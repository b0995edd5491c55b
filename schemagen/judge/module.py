"""The judge's WebAssembly module, and its machine code, compiled once. Shell: files."""

import contextlib
import fcntl
import hashlib
import os
import pathlib
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from schemagen import files
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
    """The module's machine code: from the cache, else compiled into it (half a minute, once)."""
    import wasmtime  # noqa: PLC0415 - 0.1 s that only judging needs

    native = _native_path()
    with contextlib.suppress(FileNotFoundError, wasmtime.WasmtimeError):
        return wasmtime.Module.deserialize_file(engine, str(native))
    # Machine code is trusted when it is loaded: nobody else may write here.
    native.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(native.with_suffix(".lock")):
        with contextlib.suppress(FileNotFoundError, wasmtime.WasmtimeError):
            return wasmtime.Module.deserialize_file(engine, str(native))
        tell("compiling the API server's judge for this machine (half a minute, once)")
        module = wasmtime.Module.from_file(engine, str(path))
        files.replace(native, bytes(module.serialize()))
    # The compiler's memory goes with the module that it made.
    del module
    return wasmtime.Module.deserialize_file(engine, str(native))


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
