"""Docstrings of imported models: the first sentence of a description, for readers of Python. Pure.

The description itself stands in ``Field(description=...)``, as it is.
"""

import re
from collections.abc import Iterable
from typing import Final

from schemagen.migrate.importing import types
from schemagen.migrate.importing.python import layout

_SENTENCE: Final = re.compile(r".+?[.?!](?=\n| [A-Z]|$)", re.DOTALL)
_PLAIN: Final = re.compile(r"[ -!#-\[\]-~]+")  # printable ASCII without " and \
_WORD: Final = re.compile(r"[a-z]+(?=\s|$)")
_ROOM: Final = layout.WIDTH - len('    """"""')
_ELLIPSIS: Final = "..."


def docstring(texts: Iterable[str], place: types.Place) -> str:
    """Return one line about a class, from one of its descriptions or from where it is used."""
    for text in texts:
        if (line := _line(text)) is not None:
            return line
    kind, version, *steps = place
    path = "".join(step if step in {"[]", "{}"} else f".{step}" for step in steps)
    line = f"``{path.removeprefix('.')}`` of {kind} {version}." if steps else f"{kind} {version}."
    is_plain = _PLAIN.fullmatch(line) is not None
    return line if is_plain and len(line) <= _ROOM else f"Part of {kind} {version}."


def _line(text: str) -> str | None:
    """Return the first sentence on one line; None if it needs quoting or has no words."""
    paragraph = text.strip().partition("\n\n")[0]
    match = _SENTENCE.match(paragraph)
    line = " ".join((match[0] if match else paragraph).split())
    if not _PLAIN.fullmatch(line) or not line[0].isalnum():
        return None
    if line[-1] not in ".?!":
        line = f"{line.rstrip(':;,')}."
    if len(line) > _ROOM:
        line = line[: _ROOM - len(_ELLIPSIS)].rpartition(" ")[0].rstrip(".,;:") + _ELLIPSIS
    return line[0].upper() + line[1:] if _WORD.match(line) else line
