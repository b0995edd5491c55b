"""Minor versions of Kubernetes by name, and a judge of each, built if necessary. Shell.

The builder is found by entry point, as this package cannot import it.
"""

import contextlib
import dataclasses
import re
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from typing import Final

from schemagen import judge
from schemagen.judge import minors, module
from schemagen.problems import UserError, quoted

GROUP: Final = "schemagen.judges"
"""Entry point group of builders: from a ``minors.Minor`` and a ``tell`` to its module's path."""

# Of a CRD of many megabytes on a busy machine.
_DEADLINE_SECONDS: Final = 60.0

_RANGE: Final = re.compile(r"1\.(\d+)(?:\.\.1\.(\d+))?", re.ASCII)


class ReleaseError(UserError):
    """A minor version has no judge; the message says which have one, or what is missing."""


@dataclasses.dataclass(frozen=True, order=True)
class Release:
    """A minor version of Kubernetes.

    Attributes:
        number: 37 of 1.37.
    """

    number: int

    def __str__(self) -> str:
        return f"1.{self.number}"

    @property
    def minor(self) -> minors.Minor | None:
        """Return what its judge is built from; None for the newest, which the wheel contains."""
        return None if self.number == minors.NEWEST else minors.Minor(self.number)


NEWEST: Final = Release(minors.NEWEST)


def parsed(text: str) -> tuple[Release, ...]:
    """Parse minor versions and ranges of them: ``1.29..1.31,1.37``.

    Raises:
        ReleaseError: if it is not of that form, or there is no judge of one of them.
    """
    known = f"1.{minors.OLDEST} to 1.{minors.NEWEST}"
    numbers: set[int] = set()
    for part in text.split(","):
        match = _RANGE.fullmatch(part.strip())
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if not minors.OLDEST <= first <= last <= minors.NEWEST:
            raise ReleaseError(
                f"expected minor versions of Kubernetes from {known}, such as 1.29..1.37 or "
                f"1.34,1.37, got {quoted(text)}"
            )
        numbers.update(range(first, last + 1))
    return tuple(map(Release, sorted(numbers)))


def ranges(releases: "tuple[Release, ...] | list[Release]") -> str:
    """Write minor versions as ``parsed`` reads them, in order: ``1.29..1.31,1.37``."""
    runs: list[list[int]] = []
    for number in sorted({release.number for release in releases}):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ",".join(f"1.{run[0]}" + (f"..1.{run[-1]}" if len(run) > 1 else "") for run in runs)


@contextlib.contextmanager
def opened(release: Release, tell: "Callable[[str], None] | None" = None) -> Iterator[judge.Judge]:
    """Open the judge of a minor version; building one takes minutes, once.

    Raises:
        UserError: if it has to be built and cannot be.
    """
    tell = tell or _to_standard_error
    minor = release.minor
    if minor is not None and module.find(minor=minor) is None:
        _builder()(minor, tell=tell)
    with judge.Judge(deadline_seconds=_DEADLINE_SECONDS, tell=tell, minor=minor) as oracle:
        yield oracle


def _builder() -> Callable[..., object]:
    for point in metadata.entry_points(group=GROUP):
        builder: Callable[..., object] = point.load()
        return builder
    raise ReleaseError(
        f"expected an entry point of the group {GROUP} to build judges of older minor versions, "
        "got none; install kubewright anew, or leave out --kubernetes"
    )


def _to_standard_error(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
