"""Read manifests named by files, directories and patterns, past unreadable ones. Shell."""

import glob
import pathlib
from collections.abc import Iterator, Sequence
from typing import TypeVar

from schemagen import files
from schemagen.compat import sources
from schemagen.problems import UserError
from schemagen.yaml import manifests

T = TypeVar("T")


def texts(references: Sequence[str]) -> Iterator[tuple[str, bytes | UserError]]:
    """Yield names and contents of the manifests that files, directories and patterns name.

    A directory is searched for ``*.yaml``, ``*.yml`` and ``*.json``; ``-`` is standard input. In
    place of a content that cannot be read, its error is yielded.
    """
    for reference in references:
        path = pathlib.Path(reference)
        if reference == "-" or path.exists():
            yield from sources.texts(path)
            continue
        paths = sorted(glob.glob(reference, recursive=True))  # noqa: PTH207 - may be absolute
        if not paths:
            yield reference, missing(reference)
        for source in paths:
            yield from sources.texts(pathlib.Path(source))


def missing(reference: str) -> UserError:
    """Return the error for a reference that names nothing."""
    return files.InputError(f"expected to read {reference}: No such file or directory")


class Inputs:
    """Manifests, read one after the other.

    Attributes:
        problems: What could not be read so far, a line each.
    """

    def __init__(self, references: Sequence[str]) -> None:
        self._references = references
        self.problems: list[str] = []

    def __iter__(self) -> Iterator[tuple[str, manifests.Object]]:
        """Yield the objects, each with the name of its file."""
        for content, name in self.contents():
            for item in self.guarded(manifests.read(content, name)):
                yield name, item

    def contents(self) -> Iterator[tuple[bytes, str]]:
        """Yield the contents and the names of the files that can be read."""
        for name, content in texts(self._references):
            if isinstance(content, UserError):
                self._note(content)
            else:
                yield content, name

    def guarded(self, found: Iterator[T]) -> Iterator[T]:
        """Yield what is found in a manifest, up to where it cannot be parsed."""
        try:
            yield from found
        except manifests.ManifestError as error:
            self._note(error)

    def _note(self, error: UserError) -> None:
        self.problems.append(f"{error.source}{error}")
