"""Check generated CRDs against the API server's code, caching accepted ones. Shell.

A CRD accepted once on this machine is not checked again, so that regenerating costs no more than
writing files.
"""

import pathlib
import re
from collections.abc import Iterator
from typing import Any

from schemagen import canonical, judge
from schemagen.crd import costs, definitions
from schemagen.judge import module

_TOO_EXPENSIVE = ("estimated rule cost exceeds budget", "contributed to estimated rule cost")


def refusals(definition: dict[str, Any], oracle: judge.Judge) -> Iterator[str]:
    """Return a line for each reason the API server would refuse a CRD, by model field.

    Raises:
        judge.JudgeError: if no judge is available.
    """
    completed = _with_conversion(definition)
    remembered = _remembered(completed)
    if remembered.is_file():
        return
    verdict = oracle.check(completed)
    if verdict.allowed:
        remembered.parent.mkdir(parents=True, exist_ok=True)
        remembered.touch()
        return
    name = definition["spec"]["names"]["kind"]
    for cause in verdict.causes:
        if not any(words in cause.message for words in _TOO_EXPENSIVE):
            yield f"{name} {_place(definition, cause.field)}: {cause.message}"
    if not verdict.causes:
        yield f"{name}: {verdict.message}"
    for advice in costs.advice(oracle, completed):
        yield f"{name} {advice}"


def is_known(definition: dict[str, Any]) -> bool:
    """Return whether this CRD was already accepted on this machine."""
    return _remembered(_with_conversion(definition)).is_file()


def _remembered(completed: dict[str, Any]) -> pathlib.Path:
    return module.built_path().parent / "accepted" / canonical.digest(completed)


def _with_conversion(definition: dict[str, Any]) -> dict[str, Any]:
    spec = definition["spec"]
    if len(spec["versions"]) == 1 or "conversion" in spec:
        return definition
    return {
        **definition,
        "spec": {**spec, "conversion": definitions.conversion(definitions.NOWHERE)},
    }


_STEPS = (
    (re.compile(r"\.?properties\[([^\]]+)\]"), r".\1"),
    (re.compile(r"\.items(?=$|[.\[])"), "[]"),
    (re.compile(r"\.additionalProperties(?=$|[.\[])"), "{}"),
)
_SCHEMA = re.compile(r"spec\.(?:versions\[(\d+)\]\.schema|validation)\.openAPIV3Schema\.?")


def placed(definition: dict[str, Any], field: str) -> tuple[str, str]:
    """Return the version and the place in its schema of a CRD's field: ``v1``, ``spec.steps[]``.

    A field outside the schemas is returned as it is, without a version.
    """
    match = _SCHEMA.match(field)
    if match is None:
        return "", field
    place = field[match.end() :]
    for pattern, step in _STEPS:
        place = pattern.sub(step, place)
    version = definition["spec"]["versions"][int(match[1] or 0)]["name"]
    return version, place.removeprefix(".")


def _place(definition: dict[str, Any], field: str) -> str:
    """Translate a CRD field path to its place in the model: ``v1 spec.steps[].name``."""
    version, place = placed(definition, field)
    return f"{version} {place or '(root)'}" if version else place
