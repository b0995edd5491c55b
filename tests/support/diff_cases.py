"""Single changes of CRDs, each a file in tests/data/diff with what it means to whom.

A case is either a field's schema before and after (at ``field``, spec.field by default), or fields
of the whole CRD before and after, null for absent.
"""

import copy
import dataclasses
import pathlib
from typing import Any

from schemagen import yaml
from schemagen.compat import sources
from schemagen.compat.verdicts import differences
from schemagen.problems import JSON

FOLDER = pathlib.Path(__file__).parents[1] / "data/diff"
NAME = "widgets.example.com"


@dataclasses.dataclass(frozen=True)
class Case:
    """A change, and what is expected.

    Attributes:
        name: The file's, without suffix.
        old: The CRD before.
        new: The CRD now.
        expected: From ``VERSION/PATH/RULE`` to the outcome for each audience.
    """

    name: str
    old: JSON
    new: JSON
    expected: dict[str, dict[str, str]]


def read_all() -> list[Case]:
    """All cases, by name."""
    return [read(path) for path in sorted(FOLDER.glob("*.yaml"))]


def read(path: pathlib.Path) -> Case:
    """One case."""
    case = yaml.load(path.read_bytes())
    if "crd" in case:
        before, after = (
            {key: values[side] for key, values in case["crd"].items()} for side in (0, 1)
        )
        old, new = _patched(base(), before), _patched(base(), after)
    else:
        field = case.get("field", "spec.field")
        old, new = (with_schema(field, case[side]) for side in ("before", "after"))
    return Case(path.stem, old, new, case.get("expected") or {})


def base() -> JSON:
    """A CRD to change."""
    fields = {"other": {"type": "string"}, "count": {"type": "integer"}}
    schema = {
        "type": "object",
        "properties": {
            "spec": {"type": "object", "properties": fields},
            "status": {"type": "object", "properties": {"phase": {"type": "string"}}},
        },
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": NAME},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {
                "plural": "widgets",
                "singular": "widget",
                "kind": "Widget",
                "listKind": "WidgetList",
            },
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": schema},
                    "subresources": {"status": {}},
                }
            ],
        },
    }


def with_schema(field: str, schema: JSON) -> JSON:
    """The CRD with a field's schema; null for no such field, and `spec` itself is one."""
    crd = base()
    node = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    *above, last = field.split(".")
    for name in above:
        node = node["properties"][name]
    if schema is not None:
        node["properties"][last] = copy.deepcopy(schema)
    else:
        node["properties"].pop(last, None)
    return crd


def _patched(crd: JSON, fields: dict[str, JSON]) -> JSON:
    """The CRD with fields set, such as ``spec/versions/0/served``; null takes one away."""
    for field, value in fields.items():
        target: Any = crd
        *above, last = [int(part) if part.isdigit() else part for part in field.split("/")]
        for part in above:
            target = target.setdefault(part, {}) if isinstance(target, dict) else target[part]
        if value is None and isinstance(target, dict):
            target.pop(last, None)
        elif isinstance(target, list) and last == len(target):
            if value is not None:
                target.append(copy.deepcopy(value))
        elif isinstance(target, list) and value is None:
            del target[int(last)]
        else:
            target[last] = copy.deepcopy(value)
    return crd


def definitions(crd: JSON | None) -> dict[str, sources.Definition]:
    """A CRD as the command has it."""
    return {} if crd is None else {crd["metadata"]["name"]: sources.Definition(crd, "crd.yaml")}


def outcomes(found: list[differences.Difference]) -> dict[str, dict[str, str]]:
    """What was found, as cases expect it."""
    return {
        difference.id.split("/", 1)[1]: {
            audience.value: verdict.outcome.value
            for audience, verdict in difference.decided.verdicts.items()
        }
        for difference in found
    }
