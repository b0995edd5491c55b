"""Access to JSON that may not have been validated: members of another type are ignored. Pure."""

from collections.abc import Iterator, Mapping

from schemagen.problems import JSON


def at(value: JSON, *names: str) -> Mapping[str, JSON]:
    """Return the object at a path; empty if absent."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def text(value: Mapping[str, JSON], name: str) -> str:
    """Return a string member; empty if absent."""
    member = value.get(name)
    return member if isinstance(member, str) else ""


def texts(value: Mapping[str, JSON], name: str) -> list[str]:
    """Return the strings of a list member."""
    member = value.get(name)
    return [item for item in member if isinstance(item, str)] if isinstance(member, list) else []


def items(value: Mapping[str, JSON], name: str, *needed: str) -> Iterator[Mapping[str, JSON]]:
    """Yield the objects of a list member that have the required string members."""
    member = value.get(name)
    for item in member if isinstance(member, list) else ():
        if isinstance(item, dict) and all(isinstance(item.get(key), str) for key in needed):
            yield item
