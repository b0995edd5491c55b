"""Manifests as people write them: one value in many spellings, with comments and blank lines."""

import dataclasses
import json
import random
from typing import Any

from schemagen import yaml

Place = tuple[str | int, ...]


@dataclasses.dataclass(frozen=True)
class Line:
    """A line of a manifest.

    Attributes:
        text: The line.
        places: The fields that it writes: those of a comment or a blank line are the next one's.
        is_value: Whether it writes a value, and not only the key of an object or a list.
    """

    text: str
    places: tuple[Place, ...]
    is_value: bool = True


class Author:
    """Writes objects, each line in a spelling of its own."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - a test's
        self._indent = self._random.choice([2, 2, 2, 4])
        self._list_indent = self._random.choice([0, 2])
        self._comments = 0

    def lines(self, value: Any) -> list[Line]:
        """Write an object."""
        return self._object(value, 0, ())

    def _object(self, value: dict[str, Any], column: int, place: Place) -> list[Line]:
        written: list[Line] = []
        for name, item in value.items():
            here = (*place, name)
            written += self._above(column, here)
            key = self._text(name) if self._chance(0.1) else yaml.dumps({name: 0})[: -len(": 0\n")]
            written += self._entry(f"{' ' * column}{key}:", item, column, here)
        return written

    def _list(self, value: list[Any], column: int, place: Place) -> list[Line]:
        written: list[Line] = []
        for index, item in enumerate(value):
            here = (*place, index)
            written += self._above(column, here)
            pad = " " * column
            if isinstance(item, dict) and item and not self._chance(0.1):
                first, *rest = self._object(item, column + 2, here)
                while not first.text.strip() or first.text.lstrip().startswith("#"):
                    first, *rest = rest
                text = f"{pad}- {first.text[column + 2 :]}"
                written += [dataclasses.replace(first, text=text), *rest]
            else:
                written += self._entry(f"{pad}-", item, column, here)
        return written

    def _entry(self, start: str, item: Any, column: int, place: Place) -> list[Line]:
        if not isinstance(item, dict | list) or not item:
            return self._scalar(start, item, column, place)
        flow = json.dumps(item, ensure_ascii=False)
        if self._chance(0.1) and flow.isprintable():
            return [Line(f"{start} {flow}{self._beside()}", (place,))]
        line = Line(f"{start}{self._beside()}", (place,), is_value=False)
        if isinstance(item, dict):
            return [line, *self._object(item, column + self._indent, place)]
        indent = 2 if isinstance(place[-1], int) else self._list_indent
        return [line, *self._list(item, column + indent, place)]

    def _scalar(self, start: str, item: Any, column: int, place: Place) -> list[Line]:
        written = yaml.dumps({"k": item})[len("k:") : -1]
        if "\n" in written:
            pad = " " * column
            first, *rest = written.split("\n")
            lines = [f"{start}{first}", *(f"{pad}{line}" if line else "" for line in rest)]
            return [Line(line, (place,)) for line in lines]
        if isinstance(item, str) and item.isprintable() and self._chance(0.3):
            written = f" {self._text(item)}"
        return [Line(f"{start}{written}{self._beside()}", (place,))]

    def _text(self, item: str) -> str:
        if not item.isprintable():
            return yaml.dumps(item)[:-1]
        if self._chance(0.5):
            return json.dumps(item, ensure_ascii=False)
        return "'" + item.replace("'", "''") + "'"

    def _above(self, column: int, place: Place) -> list[Line]:
        lines = []
        if place[-1] != 0 and self._chance(0.1):
            lines.append(Line("", (place,)))
        if self._chance(0.2):
            lines.append(Line(f"{' ' * column}{self._comment()}", (place,)))
        return lines

    def _beside(self) -> str:
        if self._chance(0.2):
            return f"{' ' * self._random.choice([1, 2, 3])}{self._comment()}"
        return " " if self._chance(0.05) else ""

    def _comment(self) -> str:
        self._comments += 1
        return f'# comment {self._comments}: it\'s "x: y"'

    def _chance(self, share: float) -> bool:
        return self._random.random() < share
