"""Locate the source of an exception: file, line and owner of the code."""

import dataclasses
import pathlib
import sysconfig
from collections.abc import Iterator
from types import TracebackType
from typing import Final, Literal, TypeAlias

Owner: TypeAlias = Literal["user", "product", "library"]

_ROOT: Final = pathlib.Path(__file__).resolve().parents[1]
_PRODUCT: Final = tuple(
    f"{_ROOT / name}/" for name in ("schemagen", "webhooks", "controllers", "crds", "certs")
)
_LIBRARIES: Final = tuple(
    f"{sysconfig.get_path(name)}/" for name in ("stdlib", "platstdlib", "purelib", "platlib")
)
# An exception is shown in one line, limited to what fits on a screen.
_MAX_CHARACTERS: Final = 500


@dataclasses.dataclass(frozen=True)
class Place:
    """A line of code that an exception passed through."""

    file: str
    line: int
    owner: Owner

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


def raised_at(error: BaseException) -> Place | None:
    """Return the innermost place outside libraries, which is likely at fault."""
    return _last(place for place in _places(error) if place.owner != "library")


def imported_at(error: BaseException, module: str) -> Place | None:
    """Return the innermost place of the module being imported, or of other user code.

    Declarations are refused inside this package, deeper than the line at fault. An installed module
    lies among the libraries, and is recognized by its name.
    """
    return _last(
        place
        for place, name in _named_places(error)
        if place.owner == "user" or name.partition(".")[0] == module.partition(".")[0]
    )


def sentence(error: BaseException) -> str:
    """Return ``ZeroDivisionError: division by zero``, on one line."""
    message = error.msg if isinstance(error, SyntaxError) else str(error)
    text = " ".join(f"{type(error).__name__}: {message}".split()).removesuffix(":")
    return text if len(text) <= _MAX_CHARACTERS else f"{text[: _MAX_CHARACTERS - 1]}…"


def _last(places: Iterator[Place]) -> Place | None:
    last = None
    for place in places:
        last = place
    return last


def _places(error: BaseException) -> Iterator[Place]:
    return (place for place, _ in _named_places(error))


def _named_places(error: BaseException) -> Iterator[tuple[Place, str]]:
    """Return every line of the traceback, outermost first, with its module's name."""
    for frame in _frames(error.__traceback__):
        code = frame.tb_frame.f_code
        name = str(frame.tb_frame.f_globals.get("__name__", ""))
        yield Place(code.co_filename, frame.tb_lineno, owner(code.co_filename)), name
    if isinstance(error, SyntaxError) and error.filename:
        yield Place(error.filename, error.lineno or 1, owner(error.filename)), ""


def _frames(traceback: TracebackType | None) -> Iterator[TracebackType]:
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next


def owner(file: str) -> Owner:
    """Return the owner of a file's code."""
    # First, as an installed product lies among the libraries. `<frozen importlib>`, `<string>`:
    # code without a file, such as what dataclasses generate.
    if file.startswith(_PRODUCT):
        return "product"
    return "library" if file.startswith(("<", *_LIBRARIES)) else "user"
