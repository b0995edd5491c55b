"""Views of objects, whatever the objects are."""

import sys
from collections.abc import Iterator

import pytest

from controllers import kube
from controllers.kube.projections import Decoder
from webhooks import process

LEVELS = 1020


class Thing(kube.Projection, frozen=True):
    """A view that does not name what is deep."""


DEEP = (
    b'{"metadata":{"name":"deep","resourceVersion":"7"},"spec":'
    + b'{"a":' * LEVELS
    + b"1"
    + b"}" * LEVELS
    + b"}"
)
EVENT = b'{"type":"ADDED","object":' + DEEP + b"}"
PAGE = b'{"metadata":{"resourceVersion":"8"},"items":[' + DEEP + b"]}"


@pytest.fixture
def limit() -> Iterator[None]:
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(1000)
    yield
    sys.setrecursionlimit(before)


@pytest.mark.usefixtures("limit")
def test_list_that_is_too_deep_is_told() -> None:
    with pytest.raises(kube.AnswerError, match="expected a list from GET /things"):
        Decoder(Thing).page(PAGE, "GET /things")


@pytest.mark.usefixtures("limit")
def test_program_that_allows_deep_json_reads_both() -> None:
    process.allow_deep_json()

    seen = Decoder(Thing).event(EVENT, "GET /things")
    page = Decoder(Thing).page(PAGE, "GET /things")

    assert seen is not None
    assert seen.object == page.items[0]
    assert kube.Key("", "deep") == page.items[0].key
