"""Check that an Api's conversions fit its models, once on a machine. Shell.

Conversions that passed are not checked again until a module of the program changes, so that
regenerating costs no more than writing files, and a server starts a third of a second earlier.
"""

import contextlib
import importlib.metadata
import pathlib
import sys

from schemagen import canonical, exception_origin, files
from schemagen.model import registry
from schemagen.versions.verification import verification


def check(api: registry.Api, schema_of: verification.SchemaOf = verification.model_schema) -> None:
    """Check every conversion of an API.

    Raises:
        verification.ConversionError: listing every problem.
    """
    if any(kind.definition is not None for kind in api):
        verification.check(api, schema_of)  # what is declared in files is no module's
        return
    remembered = _remembered(api)
    if remembered.is_file():
        return
    verification.check(api, schema_of)
    with contextlib.suppress(OSError):  # without a cache the check is repeated
        remembered.parent.mkdir(parents=True, exist_ok=True)
        remembered.touch()


def _remembered(api: registry.Api) -> pathlib.Path:
    models = [[kind.name, *map(_described, kind.versions)] for kind in api]
    packages = [importlib.metadata.version(name) for name in ("kubewright", "pydantic")]
    known = [api.group, models, sys.version, packages, _modules()]
    return files.cache_directory() / "conversions" / canonical.digest(known)


def _described(version: registry.Version) -> list[str]:
    return [version.name, version.model.__module__, version.model.__qualname__]


def _modules() -> list[list[str | int]]:
    """Return the modules outside libraries, with a fingerprint of each."""
    modules: list[list[str | int]] = []
    for name, module in sorted(sys.modules.copy().items()):
        file = getattr(module, "__file__", None)
        if not isinstance(file, str) or exception_origin.owner(file) == "library":
            continue
        with contextlib.suppress(OSError):
            status = pathlib.Path(file).stat()
            modules.append([name, file, status.st_mtime_ns, status.st_size])
    return modules
