"""Files and directories in another version, one after the other, past unreadable ones. Shell."""

from collections.abc import Iterator, Sequence

from schemagen.compat import inputs
from schemagen.problems import UserError
from schemagen.rewrite import files
from schemagen.rewrite.files import Result
from schemagen.rewrite.objects import Target

__all__ = ["Result", "Tree"]


class Tree:
    """Manifests named by files, directories and patterns.

    Attributes:
        problems: What could not be read so far, a line each.
    """

    def __init__(self, references: Sequence[str], target: Target) -> None:
        self._references, self._target = references, target
        self.problems: list[str] = []

    def results(self) -> Iterator[Result]:
        """Yield what becomes of each file that can be read; a file named twice counts once."""
        contents: dict[str, bytes] = {}
        for name, content in inputs.texts(self._references):
            if isinstance(content, UserError):
                self.problems.append(f"{content.source}{content}")
            else:
                contents.setdefault(name, content)
        for name, content in contents.items():
            try:
                yield files.convert(content, name, self._target)
            except UserError as error:
                self.problems.append(f"{error.source}{error}")
