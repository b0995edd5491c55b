"""Files and directories in another version, one after the other, past unreadable ones. Shell."""

import contextlib
import pathlib
import posixpath
from collections.abc import Iterable, Iterator, Sequence

from schemagen.compat import inputs
from schemagen.problems import UserError
from schemagen.rewrite import files, kustomize
from schemagen.rewrite.files import Result
from schemagen.rewrite.objects import Target

__all__ = ["Result", "Tree"]


def _neighbours(names: Iterable[str]) -> dict[str, bytes]:
    """Return the kustomizations beside files, which may name them as patches."""
    folders = {pathlib.Path(name).parent for name in names}
    found = [folder / name for folder in sorted(folders) for name in kustomize.NAMES]
    contents = {}
    for path in found:
        with contextlib.suppress(OSError):
            contents[str(path)] = path.read_bytes()
    return contents


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
        patches = files.Patches(kustomize.references({**_neighbours(contents), **contents}))
        results: dict[str, Result] = {}
        # Kustomizations select versions by what became of their patches.
        for name in sorted(
            contents, key=lambda name: posixpath.normpath(name) not in patches.selectors
        ):
            try:
                results[name] = files.convert(contents[name], name, self._target, patches)
            except UserError as error:
                self.problems.append(f"{error.source}{error}")
        yield from (results[name] for name in contents if name in results)
