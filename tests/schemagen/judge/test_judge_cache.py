"""The judge's machine code is loaded only if no other user could have written it."""

import pathlib

import pytest
import wasmtime

from schemagen.judge import module


class Cache:
    """A private cache, and the reported lines."""

    def __init__(self, root: pathlib.Path) -> None:
        self.root = root
        self.source = root.with_name("tiny.wasm")
        self.source.write_bytes(wasmtime.wat2wasm("(module)"))
        self.engine = wasmtime.Engine()
        self.told: list[str] = []
        self.loaded: list[str] = []

    def compiled(self) -> wasmtime.Module:
        return module.compiled(self.engine, self.source, self.told.append)

    @property
    def native(self) -> pathlib.Path:
        (only,) = self.root.glob("judge/*/*.native")
        return only


@pytest.fixture
def cache(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Cache:
    made = Cache(tmp_path / "cache")
    monkeypatch.setenv("KUBEWRIGHT_CACHE", str(made.root))
    monkeypatch.setattr(module, "_reported", set())
    real = wasmtime.Module.deserialize_file

    def deserialize(engine: wasmtime.Engine, path: str) -> wasmtime.Module:
        made.loaded.append(path)
        return real(engine, path)

    monkeypatch.setattr(wasmtime.Module, "deserialize_file", deserialize)
    return made


COMPILING = "compiling the API server's judge for this machine (half a minute, once)"


def test_machine_code_is_compiled_once(cache: Cache) -> None:
    cache.compiled()
    cache.compiled()

    assert [COMPILING] == cache.told
    assert [str(cache.native)] * 2 == cache.loaded
    assert {0o700} == {path.stat().st_mode & 0o777 for path in (cache.root, cache.native.parent)}


def test_folder_that_others_may_write_to_is_not_loaded_from(cache: Cache) -> None:
    """It is reported once, however often the judge is opened."""
    cache.compiled()
    cache.loaded.clear()
    cache.root.chmod(0o770)

    cache.compiled()
    cache.compiled()

    reason = f"{cache.root} is writable by others (mode 0770): chmod go-w {cache.root}"
    line = f"compiling the API server's judge in memory (half a minute, each time): {reason}"
    assert [COMPILING, line] == cache.told
    assert [] == cache.loaded


def test_file_that_others_may_write_to_is_made_anew(cache: Cache) -> None:
    cache.compiled()
    planted = cache.native
    planted.write_bytes(b"planted")
    planted.chmod(0o606)

    cache.compiled()

    assert b"planted" != planted.read_bytes()
    assert 0 == planted.stat().st_mode & 0o022


def test_cache_that_cannot_be_written_costs_no_verdict(cache: Cache) -> None:
    """As on a read-only file system."""
    cache.root.write_text("a file")

    cache.compiled()

    assert ["compiling the API server's judge in memory (half a minute, each time)"] == [
        line.partition(":")[0] for line in cache.told
    ]
