"""Real stores, started once for these tests."""

import datetime as dt
import pathlib
import tempfile
from collections.abc import Iterator

import pytest

from certs import authority
from tests.support import stores

NAME = "localhost"


@pytest.fixture(scope="package")
def ca() -> authority.Pair:
    return authority.new_authority("stores", now=dt.datetime.now(dt.UTC))


@pytest.fixture(scope="package")
def certificate(ca: authority.Pair) -> tuple[str, str]:
    pair = authority.issue_server(ca, [NAME], now=dt.datetime.now(dt.UTC))
    return pair.certificate_pem.decode(), pair.key_pem.decode()


@pytest.fixture(scope="package")
def folder() -> Iterator[pathlib.Path]:
    # Not one of pytest, which only its own user may enter.
    with tempfile.TemporaryDirectory(prefix="stores-") as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        yield folder


@pytest.fixture(scope="package")
def postgres(folder: pathlib.Path, certificate: tuple[str, str]) -> Iterator[stores.Store]:
    with stores.postgres(folder / "postgres", certificate=certificate) as store:
        yield store


@pytest.fixture(scope="package")
def vector(folder: pathlib.Path, certificate: tuple[str, str]) -> Iterator[stores.Store]:
    """A PostgreSQL with pgvector."""
    programs = stores.bundled(folder / "programs")
    with stores.postgres(folder / "vector", certificate=certificate, bin_=programs) as store:
        yield store


@pytest.fixture(scope="package")
def redis_server(folder: pathlib.Path, certificate: tuple[str, str]) -> Iterator[stores.Store]:
    with stores.redis_server(folder / "redis", certificate=certificate) as store:
        yield store
