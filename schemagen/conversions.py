"""Whether an Api's conversions fit its models: functions are tried once, then known. Shell.

Functions of conversions that did right on drawn values once are not tried again on this machine
while no module of the program changed, so that generating costs no more than writing files.
"""

import contextlib
import importlib.metadata
import pathlib
import sys

from schemagen import canonical, files, origin
from schemagen.model import registry
from schemagen.versions import verification


def check(api: registry.Api, schema_of: verification.SchemaOf = verification.model_schema) -> None:
    """Check every conversion of an API.

    Raises:
        verification.ConversionError: naming each fault.
    """
    remembered = _remembered(api)
    verification.check(api, schema_of, tries_functions=not remembered.is_file())
    with contextlib.suppress(OSError):  # where nothing can be kept it is tried again
        remembered.parent.mkdir(parents=True, exist_ok=True)
        remembered.touch()


def _remembered(api: registry.Api) -> pathlib.Path:
    names = [[kind.name, *(version.name for version in kind.versions)] for kind in api]
    known = [api.group, names, sys.version, importlib.metadata.version("kubewright"), _modules()]
    return files.cache_directory() / "conversions" / canonical.digest(known)


def _modules() -> list[list[str | int]]:
    """The modules that no library brought: their names, and what changes when they do."""
    found: list[list[str | int]] = []
    for name, module in sorted(sys.modules.copy().items()):
        file = getattr(module, "__file__", None)
        if not isinstance(file, str) or origin.owner(file) == "library":
            continue
        with contextlib.suppress(OSError):
            status = pathlib.Path(file).stat()
            found.append([name, file, status.st_mtime_ns, status.st_size])
    return found
