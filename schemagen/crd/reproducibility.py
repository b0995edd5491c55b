"""Check that models generate the same output in another process. Shell.

An enum or a default built from a set, a clock or randomness at import time looks normal here; only
a process with another hash seed reveals it.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from schemagen import files
from schemagen.crd import definitions
from schemagen.model import registry
from schemagen.problems import JSON, quoted
from schemagen.schema.keywords import Schema, nodes

# Two items of a set have the same order in half of all processes.
_SEEDS = ("1", "2", "3", "4")
_DEADLINE_SECONDS = 60
_BELOW = frozenset({"properties", "items", "additionalProperties"})


def differences(reference: str, api: registry.Api) -> Iterator[str]:
    """Return a line for each schema keyword of an Api that differs in another process.

    Returns nothing if the other processes cannot load the Api.

    Args:
        reference: Reference to the Api, such as ``crds:api``.
        api: The Api loaded in this process.
    """
    own = _definitions(api)
    running = [_started(reference, seed) for seed in _SEEDS]
    others = [other for other in map(_read, running) if other is not None]
    reported: set[str] = set()
    for line in (line for other in others for line in _lines(own, other)):
        place = line.partition(": ")[0]
        if place not in reported:
            reported.add(place)
            yield line


def write_definitions(reference: str) -> None:
    """Write the CRDs of an Api as JSON; run in the other process."""
    text = json.dumps(_definitions(files.load_api(reference)))
    sys.stdout.write(f"\n{text}\n")


def _definitions(api: registry.Api) -> list[JSON]:
    return [definitions.crd(api, kind) for kind in api]


def _started(reference: str, seed: str) -> subprocess.Popen[str]:
    code = (
        "import sys; from schemagen.crd import reproducibility as r; "
        "r.write_definitions(sys.argv[1])"
    )
    path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)  # noqa: PTH109 - as text
    return subprocess.Popen(  # noqa: S603 - this Python, and the reference as it was given
        [sys.executable, "-c", code, reference],
        env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def _read(process: subprocess.Popen[str]) -> list[JSON] | None:
    try:
        text, _ = process.communicate(timeout=_DEADLINE_SECONDS)
        # The module itself may print before.
        definitions: list[JSON] = json.loads(text.splitlines()[-1])
    except (subprocess.TimeoutExpired, ValueError, IndexError):
        process.kill()
        process.communicate()
        return None
    return definitions


def _lines(own: list[JSON], other: list[JSON]) -> Iterator[str]:
    for definition, again in zip(own, other, strict=False):
        name = definition["spec"]["names"]["kind"]
        versions = zip(definition["spec"]["versions"], again["spec"]["versions"], strict=False)
        for version, version_again in versions:
            schemas = [
                candidate["schema"]["openAPIV3Schema"] for candidate in (version, version_again)
            ]
            for place, keyword, values in _changes(*schemas):
                yield (
                    f"{name} {version['name']} {place}: expected the same {keyword} in each "
                    f"process, got {quoted(values[0])} and {quoted(values[1])}; give sets a fixed "
                    "order (a tuple, or sorted(...)), and set values from a clock or at random in "
                    "Rules.default"
                )


def _changes(schema: Schema, again: Schema) -> Iterator[tuple[str, str, tuple[Any, Any]]]:
    others = dict(nodes(again))
    for path, node in nodes(schema):
        other = others.get(path, {})
        for keyword in node.keys() | other.keys():
            values = _value(node, keyword), _value(other, keyword)
            if json.dumps(values[0]) != json.dumps(values[1]):  # including the order of fields
                yield "".join(path).removeprefix(".") or "(root)", keyword, values


def _value(node: Schema, keyword: str) -> Any:
    """Return a keyword's value; for containers of nodes, their names in order."""
    value = node.get(keyword)
    return list(value) if keyword in _BELOW and isinstance(value, dict) else value
