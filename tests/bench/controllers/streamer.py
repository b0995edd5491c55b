"""A watch of AgentRuns, made before anybody asks, written as fast as it is read. Shell: sockets.

``python -m tests.bench.controllers.streamer --listed 0 --events 60000 --runs 5000`` prints its
address. Each event is an HTTP chunk of its own, as from an API server, which flushes each.
"""

import argparse
import contextlib
import json
import socket
import threading
from typing import Final

from tests.bench.controllers import agentruns

_HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
_PART_BYTES: Final = 1 << 20


def main() -> None:
    """Make the events, print the address, and answer until killed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--listed", type=int, required=True, help="runs that there are at first")
    parser.add_argument("--events", type=int, required=True, help="events that follow")
    parser.add_argument("--runs", type=int, required=True, help="of so many runs in turn")
    given = parser.parse_args()
    listed = _parts(0, given.listed, max(given.listed, 1))
    events = _parts(given.listed, given.events, given.runs)
    bookmark = _chunk(agentruns.bookmark(100_000 + given.listed))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        print(f"serving http://127.0.0.1:{listening.getsockname()[1]}", flush=True)  # noqa: T201 - output
        while True:
            connection, _ = listening.accept()
            arguments = (connection, [*listed, bookmark], events)
            threading.Thread(target=_answer, args=arguments, daemon=True).start()


def _parts(first: int, count: int, runs: int) -> list[bytes]:
    """Events as chunks, a megabyte a piece."""
    found, part = [], bytearray()
    for line in agentruns.lines(first, count, runs):
        part += _chunk(line)
        if len(part) >= _PART_BYTES:
            found.append(bytes(part))
            part.clear()
    return [*found, bytes(part)]


def _chunk(line: bytes) -> bytes:
    return f"{len(line):x}\r\n".encode() + line + b"\r\n"


def _answer(connection: socket.socket, initial: list[bytes], events: list[bytes]) -> None:
    """Answer the requests of one connection, until it is cut: watches, and lists of nothing."""
    with contextlib.suppress(OSError), connection, connection.makefile("rb") as reader:
        while (line := reader.readline()) and (target := line.split()[1]):
            while reader.readline().strip():
                pass
            if b"watch=" not in target:
                connection.sendall(_list())
                continue
            connection.sendall(_HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
            for part in [*(initial if b"sendInitialEvents" in target else ()), *events]:
                connection.sendall(part)


def _list() -> bytes:
    body = json.dumps(
        {
            "apiVersion": "agents.proompteng.ai/v1beta1",
            "kind": "AgentRunList",
            "metadata": {"resourceVersion": "100000"},
            "items": [],
        }
    ).encode()
    return _HEAD + f"Content-Length: {len(body)}\r\n\r\n".encode() + body


if __name__ == "__main__":
    main()
