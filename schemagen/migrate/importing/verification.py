"""Proof of an import: the CRDs of written models are those that they were written from.

Shell: the modules are imported from a temporary folder, under a name of their own.
"""

import contextlib
import dataclasses
import importlib
import itertools
import pathlib
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from schemagen.crd import definitions
from schemagen.migrate.importing import normalization
from schemagen.model import registry
from schemagen.problems import JSON, quoted

_ABSENT: Final = "nothing"
_numbers = itertools.count()


@dataclasses.dataclass(frozen=True)
class Difference:
    """A place at which the CRD of the models is another one.

    Attributes:
        path: Such as ``spec.versions[v1].schema.openAPIV3Schema.properties.spec``.
        expected: What the CRD has there, quoted.
        got: What the CRD of the models has, quoted.
    """

    path: str
    expected: str
    got: str

    def __str__(self) -> str:
        return f"{self.path}: expected {self.expected}, got {self.got}"


@contextlib.contextmanager
def imported(texts: Mapping[str, str]) -> Iterator[registry.Api]:
    """Import modules from their texts, for as long as the context is open; the root has the Api.

    Args:
        texts: By file name; a package has an ``__init__.py``.
    """
    name = f"imported_models_{next(_numbers)}"
    with tempfile.TemporaryDirectory(prefix="kubewright-") as folder:
        package = pathlib.Path(folder) / name
        package.mkdir()
        for file, text in texts.items():
            (package / file).write_text(text)
        root = (
            name if "__init__.py" in texts else f"{name}.{pathlib.PurePath(next(iter(texts))).stem}"
        )
        sys.path.insert(0, folder)
        try:
            importlib.invalidate_caches()
            api: registry.Api = importlib.import_module(root).api
            yield api
        finally:
            sys.path.remove(folder)
            for module in [*sys.modules]:
                if module == name or module.startswith(f"{name}."):
                    del sys.modules[module]


def differences(
    texts: Mapping[str, str], crds: Sequence[Mapping[str, Any]]
) -> dict[str, list[Difference]]:
    """Return where the CRDs of some modules differ from those they were written from, by name.

    Raises:
        Exception: whatever the modules raise when they are imported, or their models when their
            CRDs are generated.
    """
    with imported(texts) as api:
        generated = {api.crd_name(kind): definitions.crd(api, kind) for kind in api}
    return {
        name: [*_differences(normalization.normal(crd), normalization.normal(generated[name]), "")]
        for crd in crds
        for name in [str(crd["metadata"]["name"])]
    }


def _differences(expected: JSON, got: JSON, path: str) -> Iterator[Difference]:
    match expected, got:
        case dict(), dict():
            for key in dict.fromkeys((*expected, *got)):
                below = f"{path}.{key}".removeprefix(".")
                yield from _members(expected, got, key, below)
        case list(), list() if len(expected) == len(got):
            for index, (one, other) in enumerate(zip(expected, got, strict=True)):
                yield from _differences(one, other, f"{path}[{_index(one, index)}]")
        case _ if type(expected) is not type(got) or expected != got:
            yield Difference(path, quoted(expected), quoted(got))


def _members(
    expected: Mapping[str, JSON], got: Mapping[str, JSON], key: str, path: str
) -> Iterator[Difference]:
    if key not in got:
        yield Difference(path, quoted(expected[key]), _ABSENT)
    elif key not in expected:
        yield Difference(path, _ABSENT, quoted(got[key]))
    else:
        yield from _differences(expected[key], got[key], path)


def _index(item: JSON, index: int) -> str:
    """Return how an item is called: versions and columns by name."""
    name = item.get("name") if isinstance(item, dict) else None
    return name if isinstance(name, str) else str(index)
