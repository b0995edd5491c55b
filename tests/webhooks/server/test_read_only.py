"""The server as an unknown user without a home directory, on a read-only file system."""

import asyncio
import contextlib
import datetime as dt
import os
import pathlib
import ssl
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest

from certs import authority
from certs.directory import files as certificates
from schemagen import files
from tests.support import bare

pytestmark = pytest.mark.slow

DATA = pathlib.Path(__file__).parents[2] / "data"
CONVERSION = (DATA / "conversion/pass/up-everything-has-a-place.json").read_bytes()
SERVE = (sys.executable, "-m", "webhooks", "serve", "crds:api", "--port", "0", "--workers", "1")


@contextlib.asynccontextmanager
async def serving(*options: str) -> AsyncIterator[str]:
    process = await asyncio.create_subprocess_exec(
        *bare.command(*SERVE, *options), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(120):
            yield (await process.stdout.readline()).decode().split()[-1]
    finally:
        process.terminate()
        async with asyncio.timeout(120):
            await process.wait()


@contextlib.contextmanager
def shown(pair: authority.Pair, ca_pem: bytes) -> Iterator[str]:
    """A directory with a pair that other users can access, too."""
    with tempfile.TemporaryDirectory(dir=files.MEMORY) as folder:
        pathlib.Path(folder).chmod(0o755)
        certificates.install(folder, pair, ca_pem)
        yield folder


async def test_given_pair_is_served_where_nothing_can_be_written() -> None:
    now = dt.datetime.now(dt.UTC)
    ca = authority.new_authority("theirs", now=now)
    pair = authority.issue_server(ca, ["127.0.0.1"], now=now)
    trust = ssl.create_default_context(cadata=ca.certificate_pem.decode())

    with shown(pair, ca.certificate_pem) as folder:
        async with (
            serving("--cert-dir", folder) as url,
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust)) as session,
            session.post(
                f"{url}/convert", data=CONVERSION, headers={"Content-Type": "application/json"}
            ) as answer,
        ):
            converted = await answer.json()

    assert "Success" == converted["response"]["result"]["status"]


def test_place_that_is_needed_and_cannot_be_written_is_named() -> None:
    done = subprocess.run(bare.command(*SERVE), capture_output=True, text=True, check=False)

    assert 2 == done.returncode
    assert "webhooks: expected to write certificates to " in done.stderr
    assert "choose another directory, or add tls.crt and tls.key" in done.stderr
    assert "Traceback" not in done.stderr


def test_scratch_is_made_in_the_state_directory_last(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    monkeypatch.setattr(files, "MEMORY", tmp_path / "file" / "none")
    (tmp_path / "file").touch()

    with files.scratch(tmp_path / "state") as folder:
        made = [folder.parent, folder.stat().st_mode & 0o777, os.listdir(tmp_path / "state")]  # noqa: PTH208 - names

    assert [tmp_path / "state", 0o700, [folder.name]] == made
    assert not folder.exists()


def test_scratch_that_cannot_be_made_names_the_option(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    monkeypatch.setattr(files, "MEMORY", tmp_path / "file" / "none")

    with (
        pytest.raises(files.OutputError, match="or name one with --state-dir"),
        files.scratch(tmp_path / "file" / "state"),
    ):
        pass


def test_error_inside_the_scratch_folder_is_not_taken_for_its_own(tmp_path: pathlib.Path) -> None:
    with pytest.raises(OSError, match="mine"), files.scratch(tmp_path):
        raise OSError("mine")
