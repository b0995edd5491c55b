"""The walks that docs/architecture.md describes are those of the program: a trace of each."""

import asyncio
import importlib
import inspect
import pathlib
import re
import sys
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

import pytest

import crds
from webhooks import routing
from webhooks.server.http11.connection import Connection
from webhooks.server.http11.listener_state import Lean

ROOT = pathlib.Path(__file__).parents[2]
DATA = ROOT / "tests/data"
STATION = re.compile(r"^\d+\. (.*(?:\n   .*)*)", re.MULTILINE)
NAME = re.compile(r"`(webhooks\.[\w.]+)`")

ADMISSION, CONVERSION = "An AdmissionReview passes", "A ConversionReview passes"


def stations(opening: str) -> list[list[str]]:
    """The functions of each station of the list that a sentence introduces."""
    text = (ROOT / "docs/architecture.md").read_text()
    _, _, rest = text.partition(opening)
    (numbered,) = re.findall(r"\A.*\n\n((?:(?:\d+\.|  ) .*\n)+)", rest)[:1]
    return [NAME.findall(station) for station in STATION.findall(numbered)]


def function(name: str) -> Callable[..., Any]:
    """The function of a dotted name, in a module or in a class of one."""
    module, _, attribute = name.rpartition(".")
    try:
        found: Callable[..., Any] = getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError:
        module, _, owner = module.rpartition(".")
        found = getattr(getattr(importlib.import_module(module), owner), attribute)
    return found


class Transport(asyncio.Transport):
    """Keeps what a connection writes."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""

    def write(self, data: Any) -> None:
        self.written += data

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def is_closing(self) -> bool:
        return False

    def close(self) -> None: ...


async def calls(path: str, body: bytes) -> tuple[list[CodeType], bytes]:
    """What is called while a review is answered, in order, and the response."""
    called: list[CodeType] = []

    def note(frame: FrameType, event: str, argument: object) -> None:
        del argument
        if event == "call":
            called.append(frame.f_code)

    lean = Lean(routing.routes(crds.api), observe=lambda _: None)
    connection, transport = Connection(lean), Transport()
    connection.connection_made(transport)
    head = f"POST {path} HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    sys.setprofile(note)
    try:
        connection.data_received(f"{head}\r\n\r\n".encode() + body)
        connection.answer_waiting()
    finally:
        sys.setprofile(None)
        lean.close()
    return called, transport.written


@pytest.mark.parametrize(
    ("opening", "number", "path", "case"),
    [
        (ADMISSION, 7, "/mutate", "admission/pass/v1alpha1-workflow-without-steps-gets-one.json"),
        (ADMISSION, 7, "/validate", "admission/fail/v1alpha1-parameter-of-2049-bytes.json"),
        (CONVERSION, 6, "/convert", "conversion/pass/up-everything-has-a-place.json"),
    ],
)
def test_review_passes_the_stations_in_order(
    opening: str, number: int, path: str, case: str
) -> None:
    walk = stations(opening)

    called, response = asyncio.run(calls(path, (DATA / case).read_bytes()))

    assert number == len(walk)
    assert response.startswith(b"HTTP/1.1 200 OK\r\n")
    times = [
        min(called.index(code) for code in codes if code in called)
        for names in walk
        for codes in [[inspect.unwrap(function(name)).__code__ for name in names]]
    ]
    assert sorted(times) == times
