"""JSON patch (RFC 6902) from JSON against JSON; the user's object never passes through a model."""

from collections.abc import Iterator

from schemagen.problems import JSON

Operation = dict[str, JSON]


def diff(old: JSON, new: JSON) -> list[Operation]:
    """The operations that turn ``old`` into ``new``: only what differs, never a whole array."""
    return list(_diff(old, new, ""))


def _diff(old: JSON, new: JSON, path: str) -> Iterator[Operation]:
    if old is new:
        return
    if type(old) is dict and type(new) is dict:
        yield from _objects(old, new, path)
    elif type(old) is list and type(new) is list:
        yield from _arrays(old, new, path)
    elif type(old) is not type(new) or old != new:
        yield {"op": "replace", "path": path, "value": new}


def _objects(old: dict[str, JSON], new: dict[str, JSON], path: str) -> Iterator[Operation]:
    for name in old:
        if name not in new:
            yield {"op": "remove", "path": f"{path}/{_escaped(name)}"}
    for name, value in new.items():
        at = f"{path}/{_escaped(name)}"
        if name in old:
            yield from _diff(old[name], value, at)
        else:
            yield {"op": "add", "path": at, "value": value}


def _arrays(old: list[JSON], new: list[JSON], path: str) -> Iterator[Operation]:
    shared = min(len(old), len(new))
    for index in range(shared):
        yield from _diff(old[index], new[index], f"{path}/{index}")
    for index in range(len(old) - 1, shared - 1, -1):
        yield {"op": "remove", "path": f"{path}/{index}"}
    for index in range(shared, len(new)):
        yield {"op": "add", "path": f"{path}/{index}", "value": new[index]}


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
