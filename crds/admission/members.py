"""Members of JSON that no schema may have judged yet: what has another type is not there. Pure."""

from collections.abc import Iterator, Mapping

from schemagen.problems import JSON


def at(value: JSON, *names: str) -> Mapping[str, JSON]:
    """The object some members down; an empty one where there is none."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def text(value: Mapping[str, JSON], name: str) -> str:
    """A text; empty where there is none."""
    found = value.get(name)
    return found if isinstance(found, str) else ""


def texts(value: Mapping[str, JSON], name: str) -> list[str]:
    """The texts of a list."""
    found = value.get(name)
    return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []


def items(value: Mapping[str, JSON], name: str, *needed: str) -> Iterator[Mapping[str, JSON]]:
    """The objects of a list that have the texts that they need."""
    found = value.get(name)
    for one in found if isinstance(found, list) else ():
        if isinstance(one, dict) and all(isinstance(one.get(key), str) for key in needed):
            yield one
