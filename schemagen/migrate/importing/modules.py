"""CRDs -> Python modules of models. Pure; start reading at ``single`` and ``package``."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from schemagen.migrate.importing import classes, kinds, naming, types
from schemagen.migrate.importing.python import layout
from schemagen.migrate.importing.python.expressions import Call, Tuple, Value, imported
from schemagen.migrate.importing.python.imports import import_lines

SHARED: Final = "shared"
"""Module of a package with the types of several versions."""


def single(crds: Sequence[Mapping[str, Any]]) -> str:
    """Return one module with the models of all versions of CRDs of one group."""
    collected = types.Types()
    found = [kinds.of(crd, collected) for crd in crds]
    named = naming.Named(collected, [frozenset(collected.keys)], versions_apart=False)
    writer = classes.Writer(collected, named)
    keys = [version.key for kind in found for version in reversed(kind.versions)]
    return _module(_title(found[0].group), [*writer.statements(keys), _api(found, writer)])


def package(crds: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the modules of a package: one for each version, ``shared`` and the Api in its root."""
    collected = types.Types()
    found = [kinds.of(crd, collected) for crd in crds]
    versions = list(dict.fromkeys(v.name for kind in found for v in reversed(kind.versions)))
    of_versions = {name: _keys(collected, {name}) for name in versions}
    shared = frozenset(collected.keys).difference(*of_versions.values())
    named = naming.Named(collected, [shared, *of_versions.values()], versions_apart=True)
    texts = {}
    if shared:
        texts[SHARED] = _shared(collected, named, shared, found)
    for name in versions:
        texts[name] = _version(collected, named, name, shared, found)
    texts["__init__"] = _root(collected, named, found)
    return {f"{name}.py": text for name, text in texts.items()}


def _keys(collected: types.Types, versions: set[str]) -> frozenset[str]:
    """Return the types that only these versions use."""
    return frozenset(key for key in collected.keys if collected.used(key).versions <= versions)


def _shared(
    collected: types.Types, named: naming.Named, keys: frozenset[str], found: Sequence[kinds.Kind]
) -> str:
    writer = classes.Writer(collected, named, keys)
    ordered = [key for key in collected.keys if key in keys and named.has(key)]
    title = f"{_title(found[0].group)} that several versions share"
    return _module(title, writer.statements(ordered))


def _version(
    collected: types.Types,
    named: naming.Named,
    name: str,
    shared: frozenset[str],
    found: Sequence[kinds.Kind],
) -> str:
    own = frozenset(key for key in collected.keys if key not in shared)
    writer = classes.Writer(collected, named, own)
    roots = [v.key for kind in found for v in kind.versions if v.name == name]
    statements = [*writer.statements(roots)]
    beside = {SHARED: {named.of(key) for key in writer.foreign}}
    return _module(_title(found[0].group, name), statements, beside)


def _root(collected: types.Types, named: naming.Named, found: Sequence[kinds.Kind]) -> str:
    writer = classes.Writer(collected, named, modules=True)
    beside = {"": {version.name for kind in found for version in kind.versions}}
    return _module(_title(found[0].group), [_api(found, writer)], beside)


def _title(group: str, version: str = "") -> str:
    return f"Models of {group}{f' {version}' if version else ''}"


def _api(found: Sequence[kinds.Kind], writer: classes.Writer) -> classes.Statement:
    """Return the assignment of the Api."""
    written = tuple(_kind(kind, writer) for kind in found)
    call = Call("Api", (Value(found[0].group), Tuple(written)))
    return classes.Statement(writer.assignment("api", call), (*imported(call),))


def _kind(kind: kinds.Kind, writer: classes.Writer) -> Call:
    versions = tuple(
        Call("Version", (Value(version.name), writer.root(version)), version.arguments)
        for version in kind.versions
    )
    hub = writer.root(kind.versions[-1])
    return Call("Kind.of", (hub, Tuple(versions)), kind.arguments)


def _module(
    title: str,
    statements: Iterable[classes.Statement],
    beside: Mapping[str, set[str]] | None = None,
) -> str:
    """Return the text of a module: docstring, imports, statements."""
    written = [*statements]
    used = {name for statement in written for name in statement.imports}
    header = f'"""{title}, imported from CRDs."""\n'
    if len(header) > layout.WIDTH:
        header = '"""Models imported from CRDs."""\n'
    lines = "\n".join(import_lines(used, beside or {}))
    return "".join((header, "\n" if lines else "", lines, "\n", *_spaced(written)))


def _spaced(statements: Sequence[classes.Statement]) -> Iterator[str]:
    """Yield statements, with two empty lines around each class."""
    before: classes.Statement | None = None
    for statement in statements:
        is_apart = statement.is_class or (before is not None and before.is_class)
        yield "\n\n" if is_apart else "\n" if before is None else ""
        yield f"{statement.text}\n"
        before = statement
