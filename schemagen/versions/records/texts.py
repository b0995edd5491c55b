"""Parts that split a string into fields."""

from collections.abc import Mapping, Sequence
from typing import Final

from schemagen.model.field_types import DeclarationError
from schemagen.problems import JSON, quoted
from schemagen.versions.records.fields import PartFn
from schemagen.versions.steps import ABSENT, Path, Step, get, put

_MIN_PARTS: Final = 2


def split(old: str, new: Mapping[str, Step], separator: str, *, last: bool = False) -> PartFn:
    """Split a string of the older version into fields of the newer, and join them again.

    ``split("image", {"repository": KEEP, "tag": KEEP}, ":", last=True)`` converts
    ``registry:5000/app:1.2``. A string without all of the parts is not converted, nor are fields
    that the string could not be split into again: residue keeps them.

    Args:
        old: Dotted path of the string.
        new: Step of each part, by the dotted path of its field.
        separator: What is between two parts.
        last: Whether the last separators count, not the first: the first part may have more.
    """
    if not separator or len(new) < _MIN_PARTS:
        raise DeclarationError(
            f"split({old!r}, ...): expected a separator and two fields or more, got "
            f"{quoted(separator)} and {len(new)}"
        )
    paths = [(tuple(path.split(".")), step) for path, step in new.items()]
    source = tuple(old.split("."))
    cuts = len(paths) - 1

    def cut(text: str) -> list[str]:
        return text.rsplit(separator, cuts) if last else text.split(separator, cuts)

    def up(value: dict[str, JSON], target: dict[str, JSON]) -> None:
        text = get(value, source)
        found = _converted(cut(text), paths) if type(text) is str else None
        if found is not None:
            for (path, _), part in zip(paths, found, strict=True):
                put(target, path, part)

    def down(value: dict[str, JSON], target: dict[str, JSON]) -> None:
        parts = [_text(step.down(get(value, path))) for path, step in paths]
        texts = [part for part in parts if part is not None]
        text = separator.join(texts)
        if len(texts) == len(paths) and cut(text) == texts:
            put(target, source, text)

    return PartFn(up, down, old=(old,), new=tuple(new))


def _converted(parts: Sequence[str], paths: Sequence[tuple[Path, Step]]) -> Sequence[JSON] | None:
    """Return the value of each part; None unless each has one."""
    if len(parts) != len(paths):
        return None
    found = [step.up(part) for part, (_, step) in zip(parts, paths, strict=True)]
    return None if any(value is ABSENT for value in found) else found


def _text(value: JSON) -> str | None:
    return value if type(value) is str else None


def inverse(part: PartFn) -> PartFn:
    """Return a part with the versions exchanged: fields of the older version, joined."""
    return PartFn(part.down, part.up, old=part.new, new=part.old)
