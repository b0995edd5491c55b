"""Convert the nodes of a YAML document to JSON as kubectl does: aliases, merges and keys.

Follows go.yaml.in/yaml/v2 (decode.go) and sigs.k8s.io/yaml in their order, as the limits on aliases
depend on it.
"""

import dataclasses
import math

from schemagen.problems import JSON
from schemagen.yaml import scalars
from schemagen.yaml.errors import YAMLError
from schemagen.yaml.syntax import nodes

# Maximum share of nodes from aliases by document size: nearly all of a small document, a tenth of a
# large one.
_MANY_ALIASED, _MANY_NODES = 100, 1_000
_SMALL, _LARGE = 400_000, 4_000_000
_SHARE_OF_SMALL, _SHARE_OF_LARGE = 0.99, 0.10


@dataclasses.dataclass(slots=True)
class _Object:
    """An object under construction.

    Attributes:
        fields: Its fields; None holds why it cannot be expressed in JSON.
        keys: Keys that are not strings, by the string they are converted to.
    """

    fields: dict[str | None, JSON] = dataclasses.field(default_factory=dict)
    keys: dict[str, scalars.Value] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(slots=True)
class _Frame:
    """A collection under construction.

    Attributes:
        node: Its node.
        value: Its value; for a merge, the target object.
        rest: Pending nodes, the next last: items, or keys and values.
        alias: The alias that refers to it.
        is_merge: Whether it is merged into another object.
        key: The key of the next value.
    """

    node: nodes.Collection
    value: list[JSON] | _Object
    rest: list[nodes.Node]
    alias: nodes.Alias | None
    is_merge: bool = False
    key: str | None = ""


@dataclasses.dataclass(frozen=True)
class _Unsayable:
    """A value that JSON cannot express; an error unless a later duplicate key replaces it."""

    problem: str
    line: int


def of(root: nodes.Node | None) -> JSON:
    """Return the JSON of a document.

    Raises:
        YAMLError: if JSON cannot express it, or its aliases expand too far.
    """
    return None if root is None else _Reader().read(root)


class _Reader:
    """Converter of one document."""

    def __init__(self) -> None:
        self._frames: list[_Frame] = []
        self._count, self._aliased = 1, 0  # the document counts
        self._aliases: set[int] = set()
        self._result: JSON = None
        self._is_sayable = True

    def read(self, root: nodes.Node) -> JSON:
        """Convert a document."""
        self._value(root)
        while self._frames:
            frame = self._frames[-1]
            if frame.rest:
                self._next(frame)
            else:
                self._end(self._frames.pop())
        if not self._is_sayable:
            _check_sayable(self._result)
        return self._result

    def _end(self, frame: _Frame) -> None:
        if frame.alias is not None:
            self._aliases.remove(id(frame.alias))
        if not frame.is_merge:
            value = frame.value
            self._give(value.fields if isinstance(value, _Object) else value)

    def _next(self, frame: _Frame) -> None:
        node = frame.rest.pop()
        if isinstance(frame.value, list):
            self._value(node)
        elif frame.node.kind == "list":
            self._merge_one(node, frame.value)
        elif _is_merge(node):
            self._merge(frame.rest.pop(), frame.value)
        else:
            frame.key = self._key(node, frame.value)
            self._value(frame.rest.pop())

    def _give(self, value: JSON) -> None:
        """Assign a value to its parent."""
        if not self._frames:
            self._result = value
            return
        into = self._frames[-1]
        if isinstance(into.value, list):
            into.value.append(value)
        elif into.key is not None:
            into.value.fields[into.key] = value

    def _value(self, node: nodes.Node) -> None:
        """Convert a scalar, or begin a collection."""
        alias, target = self._dereferenced(node)
        if isinstance(target, nodes.Scalar):
            if alias is not None:
                self._aliases.remove(id(alias))
            self._give(self._scalar(target))
            return
        value: list[JSON] | _Object = [] if target.kind == "list" else _Object()
        self._frames.append(_Frame(target, value, target.children[::-1], alias))

    def _dereferenced(
        self, node: nodes.Node
    ) -> tuple[nodes.Alias | None, nodes.Scalar | nodes.Collection]:
        """Return a node, counted, and the alias that leads to it."""
        self._tally(node)
        if not isinstance(node, nodes.Alias):
            return None, node
        if id(node) in self._aliases:
            raise YAMLError(f"anchor '{node.name}' value contains itself", node.line + 1)
        self._aliases.add(id(node))
        self._tally(node)
        return node, node.node

    def _tally(self, node: nodes.Node) -> None:
        """Count a node; refuse too many from aliases."""
        self._count += 1
        self._aliased += bool(self._aliases)
        if (
            self._aliased > _MANY_ALIASED
            and self._count > _MANY_NODES
            and self._aliased / self._count > _share(self._count)
        ):
            raise YAMLError("document contains excessive aliasing", node.line + 1)

    def _scalar(self, node: nodes.Scalar) -> JSON:
        value = scalars.resolve(node)
        if isinstance(value, float) and not math.isfinite(value):
            text = {math.inf: "+Inf", -math.inf: "-Inf"}.get(value, "NaN")
            return self._unsayable(f"json: unsupported value: {text}", node)
        return scalars.in_json(value)

    def _unsayable(self, problem: str, node: nodes.Node) -> _Unsayable:
        self._is_sayable = False
        return _Unsayable(problem, node.line + 1)

    def _key(self, node: nodes.Node, into: _Object) -> str | None:
        """Return the object key of a node; None if it cannot be a key."""
        alias, target = self._dereferenced(node)
        if alias is not None:
            self._aliases.remove(id(alias))
        if isinstance(target, nodes.Collection):
            problem = f"invalid map key: expected a scalar, got a {target.kind}"
            raise YAMLError(problem, node.line + 1)
        value = scalars.resolve(target)
        key = scalars.as_key(value)
        problem = _key_problem(value, key, into)
        if problem:
            into.fields[None] = self._unsayable(problem, node)
        if key is not None and not isinstance(value, str):
            into.keys[key] = value
        return key

    def _merge(self, node: nodes.Node, into: _Object) -> None:
        """Merge one object, or a list of them, into an object."""
        if isinstance(node, nodes.Collection) and node.kind == "list":
            # The first has precedence and is read last, as later fields replace earlier ones.
            self._frames.append(_Frame(node, into, [*node.children], None, is_merge=True))
        else:
            self._merge_one(node, into)

    def _merge_one(self, node: nodes.Node, into: _Object) -> None:
        target = node.node if isinstance(node, nodes.Alias) else node
        if not isinstance(target, nodes.Collection) or target.kind != "object":
            problem = "map merge requires map or sequence of maps as the value"
            raise YAMLError(problem, node.line + 1)
        alias, _ = self._dereferenced(node)
        self._frames.append(_Frame(target, into, target.children[::-1], alias, is_merge=True))


def _key_problem(value: scalars.Value, key: str | None, into: _Object) -> str:
    """Return why an object cannot have a key; empty if it can."""
    if key is None:
        return f"unsupported map key: {'null' if value is None else value}"
    known = into.keys.get(key, key if key in into.fields else None)
    if known is None or (type(known) is type(value) and known == value):
        return ""
    return (
        f"expected one key for the field {key!r}, got two in different spellings, of which "
        "kubectl may use either"
    )


def _check_sayable(value: JSON) -> None:
    """Raise the first problem of a value."""
    problems: list[_Unsayable] = []
    rest = [value]
    while rest:
        problem = rest.pop()
        if isinstance(problem, _Unsayable):
            problems.append(problem)
        elif isinstance(problem, dict | list):
            rest += problem.values() if isinstance(problem, dict) else problem
    if problems:
        first = min(problems, key=lambda problem: problem.line)
        raise YAMLError(first.problem, first.line)


def _is_merge(node: nodes.Node) -> bool:
    return (
        isinstance(node, nodes.Scalar)
        and node.value == "<<"
        and (node.is_plain or node.tag == scalars.MERGE_TAG)
    )


def _share(count: int) -> float:
    """Return the maximum number of nodes from aliases."""
    if count <= _SMALL:
        return _SHARE_OF_SMALL
    if count >= _LARGE:
        return _SHARE_OF_LARGE
    scale = (count - _SMALL) / (_LARGE - _SMALL)
    return _SHARE_OF_SMALL - (_SHARE_OF_SMALL - _SHARE_OF_LARGE) * scale


def line_of(root: nodes.Node | None, names: list[str]) -> int:
    """Return the line, from 0, of a field, or of its nearest existing ancestor."""
    return _resolved(root, names)[1]


def repeated(root: nodes.Node | None, names: list[str]) -> list[tuple[str, int]]:
    """Return the duplicate keys within a field, with the lines, from 0, of the last of each."""
    start, _ = _resolved(root, names)
    rest, duplicates = [start] if start is not None else [], []
    while rest:
        node = rest.pop()
        if isinstance(node, nodes.Collection):
            rest += node.children
            duplicates += _repeated(node) if node.kind == "object" else []
    return sorted(duplicates, key=lambda duplicate: duplicate[1])


def _repeated(node: nodes.Collection) -> list[tuple[str, int]]:
    seen: set[str] = set()
    duplicates: dict[str, int] = {}
    for key in node.children[::2]:
        target = nodes.target(key)
        if isinstance(target, nodes.Scalar) and not _is_merge(key):
            name = scalars.as_key(scalars.resolve(target)) or ""
            if name in seen:
                duplicates[name] = key.line
            seen.add(name)
    return [*duplicates.items()]


def _resolved(root: nodes.Node | None, names: list[str]) -> tuple[nodes.Node | None, int]:
    """Return the nearest existing node of a path, and its line."""
    if root is None:
        return None, 0
    node, line = nodes.target(root), root.line
    for name in names:
        child = _child(node, name)
        if child is None:
            break
        node, line = nodes.target(child[1]), child[0].line
    return node, line


def _child(node: nodes.Node, name: str) -> tuple[nodes.Node, nodes.Node] | None:
    """Return the line of a field or an item, and its node."""
    if not isinstance(node, nodes.Collection):
        return None
    children = node.children
    if node.kind == "list":
        is_item = name.isdecimal() and int(name) < len(children)
        return (children[int(name)], children[int(name)]) if is_item else None
    return _field(node, name)


def _field(node: nodes.Collection, name: str) -> tuple[nodes.Node, nodes.Node] | None:
    """Return the last key of a name, and its value."""
    pairs = [*zip(node.children[::2], node.children[1::2], strict=True)]
    for key, value in reversed(pairs):
        if _is_merge(key):
            merged = _merged_field(nodes.target(value), name)
            if merged is not None:
                return merged
        elif _is_named(nodes.target(key), name):
            return key, value
    return None


def _merged_field(node: nodes.Node, name: str) -> tuple[nodes.Node, nodes.Node] | None:
    sources = (
        node.children if isinstance(node, nodes.Collection) and node.kind == "list" else [node]
    )
    for source in map(nodes.target, sources):
        if isinstance(source, nodes.Collection) and source.kind == "object":
            field = _field(source, name)
            if field is not None:
                return field
    return None


def _is_named(node: nodes.Node, name: str) -> bool:
    return isinstance(node, nodes.Scalar) and scalars.as_key(scalars.resolve(node)) == name
