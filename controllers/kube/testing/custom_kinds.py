"""The kinds of custom resource definitions, made once in a process. Pure."""

import dataclasses
import functools
from collections.abc import Iterator, Sequence
from typing import Final

import orjson

from controllers.kube.errors import JSON
from controllers.kube.resources import Resource
from controllers.kube.testing import fields
from controllers.kube.testing.kinds import OBJECT_META, ROOT, Convert, Family, Kind, renamed
from schemagen import canonical, checking
from schemagen.checking import nodes
from schemagen.crd import definitions
from schemagen.model import registry
from schemagen.versions.converter import Converter

# Each test has a server of its own, and most of them serve the same kinds.
_MAX_APIS: Final = 16
_MAX_KINDS: Final = 256
# An Api has no hash; it is kept, so that no other one gets its id.
_defined: Final[dict[int, tuple[registry.Api, Sequence[tuple[JSON, Convert]]]]] = {}


def of_api(api: registry.Api) -> Sequence[tuple[JSON, Convert]]:
    """Return the definitions of an API's kinds with the conversion between their versions."""
    if id(api) not in _defined:
        if len(_defined) == _MAX_APIS:
            _defined.clear()
        _defined[id(api)] = api, [*_definitions(api)]
    return _defined[id(api)][1]


def _definitions(api: registry.Api) -> Iterator[tuple[JSON, Convert]]:
    converter = Converter(api)
    for kind in api.kinds:

        def convert(value: JSON, desired: str, kind: registry.Kind = kind) -> JSON:
            versions = (text.rpartition("/")[2] for text in (value["apiVersion"], desired))
            return converter.way(kind, *versions).plain(value)

        yield definitions.crd(api, kind, webhook=definitions.NOWHERE), convert


def of_definition(definition: JSON, convert: Convert | None = None) -> Family:
    """Return the kind that a CustomResourceDefinition defines.

    Args:
        definition: The definition; it is not validated.
        convert: Converts between its versions; by default only ``apiVersion`` changes.
    """
    spec = definition["spec"]
    head = {name: spec[name] for name in ("group", "names", "scope")}
    versions = {
        version["name"]: _custom(canonical.dumps([head, version]))
        for version in spec["versions"]
        if version["served"]
    }
    storage = next(version["name"] for version in spec["versions"] if version["storage"])
    return Family(versions, storage, convert or renamed)


@functools.lru_cache(maxsize=_MAX_KINDS)
def _custom(text: bytes) -> Kind:
    """Return a served version: ``[{group, names, scope}, version]`` as JSON."""
    spec, version = orjson.loads(text)
    schema = version["schema"]["openAPIV3Schema"]
    names = spec["names"]
    type_ = fields.of_schema(schema)
    metadata = dataclasses.replace(OBJECT_META, is_always=False)
    root = dataclasses.replace(type_, fields={**type_.fields, **ROOT, "metadata": metadata})
    paths = (entry["jsonPath"].removeprefix(".") for entry in version.get("selectableFields") or ())
    return Kind(
        resource=Resource(
            spec["group"],
            version["name"],
            names["plural"],
            names["kind"],
            namespaced=spec["scope"] == "Namespaced",
        ),
        type=root,
        node=nodes.compiled(schema, is_root=True),
        checker=checking.Checker(schema, is_root=True),
        has_status="status" in (version.get("subresources") or {}),
        has_generation=True,
        updates_blindly=False,
        selectable=tuple(paths),
    )
