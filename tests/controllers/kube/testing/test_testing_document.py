"""The tests in docs/testing.md run and pass; what it names exists."""

import pathlib
import re
import types

import pytest

from controllers.kube import testing

DOCUMENT = pathlib.Path(__file__).parents[4] / "docs" / "testing.md"
TEXT = DOCUMENT.read_text()


def example() -> types.ModuleType:
    """The module in the document."""
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    module = types.ModuleType("example")
    exec(compile(code, str(DOCUMENT), "exec"), module.__dict__)  # noqa: S102 - our own document
    return module


TESTS = re.findall(r"async def (test_\w+)", TEXT)


@pytest.mark.parametrize("name", TESTS)
def test_example_of_the_document_passes(name: str) -> None:
    getattr(example(), name)()


def test_the_document_has_examples() -> None:
    assert len(TESTS) > 2


@pytest.mark.parametrize("code", re.findall(r"^\| `(server\..*?)` \|", TEXT, re.MULTILINE))
def test_fault_of_the_document_can_be_injected(code: str) -> None:
    eval(code, {"server": testing.ApiServer(), "testing": testing})  # noqa: S307 - our own document
