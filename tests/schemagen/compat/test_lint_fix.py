"""``schemagen lint --fix``: lines are edited in place, and no verdict changes."""

import pathlib

import pytest

from schemagen import judge, yaml
from schemagen.compat import sources
from schemagen.compat.lint import catalog, fixes, run, targets
from schemagen.problems import JSON

HEAD = """\
# The CRD of widgets.
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: widgets.example.com  # PLURAL.GROUP
{metadata}spec:
  group: example.com
  names: {{kind: Widget, listKind: WidgetList, plural: widgets, singular: widget}}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
"""
INDENT = " " * 12


def manifest(spec: str, metadata: str = "", end: str = "") -> str:
    lines = "".join(f"{INDENT}{line}\n" if line else "\n" for line in spec.splitlines())
    return HEAD.format(metadata=metadata) + lines + end


def fixed(folder: pathlib.Path, text: str) -> tuple[str, list[str]]:
    path = folder / "crd.yaml"
    path.write_bytes(text.encode())
    with judge.Judge() as oracle:
        lines = [*fixes.fix(sources.read_all(str(path)), oracle, catalog.RULES)]
    return path.read_bytes().decode(), [line.replace(str(path), "crd.yaml") for line in lines]


CASES = {
    "list type": (
        (
            "properties:\n  tags:\n    # Any text.\n    type: array   # of text\n"
            "    items: {type: string}"
        ),
        (
            "properties:\n  tags:\n    # Any text.\n    type: array   # of text\n"
            "    x-kubernetes-list-type: atomic\n    items: {type: string}"
        ),
    ),
    "quoted": (
        'properties:\n  "tags":\n    items:\n      "type": "string"\n    "type": "array"',
        (
            'properties:\n  "tags":\n    items:\n      "type": "string"\n    "type": "array"\n'
            "    x-kubernetes-list-type: atomic"
        ),
    ),
    "required": (
        (
            "required:  # by all\n- size  # in bytes\n- name\nproperties:\n"
            "  size: {type: integer, default: 1}\n  name: {type: string}"
        ),
        (
            "required:  # by all\n- name\nproperties:\n"
            "  size: {type: integer, default: 1}\n  name: {type: string}"
        ),
    ),
    "all that is required": (
        (
            "required:\n- size\n- name\n# Fields.\nproperties:\n"
            "  size: {type: integer, default: 1}\n  name: {type: string, default: a}"
        ),
        (
            "# Fields.\nproperties:\n"
            "  size: {type: integer, default: 1}\n  name: {type: string, default: a}"
        ),
    ),
    "null": (
        "properties:\n  size:\n    default: null  # none\n    type: integer",
        "properties:\n  size:\n    type: integer",
    ),
    "required in items": (
        (
            "properties:\n  ports:\n    type: array\n    x-kubernetes-list-type: atomic\n"
            "    items:\n"
            "      type: object\n      required: \n      - port\n      properties:\n"
            "        port: {type: integer, default: 80}"
        ),
        (
            "properties:\n  ports:\n    type: array\n    x-kubernetes-list-type: atomic\n"
            "    items:\n"
            "      type: object\n      properties:\n        port: {type: integer, default: 80}"
        ),
    ),
}


@pytest.mark.parametrize(("before", "after"), CASES.values(), ids=CASES)
def test_lines_are_edited_and_the_rest_is_kept(
    before: str, after: str, tmp_path: pathlib.Path
) -> None:
    text, told = fixed(tmp_path, manifest(before))

    assert manifest(after) == text
    assert [] != told
    assert told[0].startswith("fixed ")
    assert (text, []) == fixed(tmp_path, text)


def test_server_fields_are_left_out_and_other_documents_kept(tmp_path: pathlib.Path) -> None:
    end = "status:\n  conditions: []\n  storedVersions:\n  - v1\n# An end.\n---\nkind: Other\n"
    spec = "properties:\n  size: {type: integer}"

    text, told = fixed(tmp_path, manifest(spec, "  creationTimestamp: null\n", end))

    assert manifest(spec, "", "# An end.\n---\nkind: Other\n") == text
    assert ["fixed 2 places in crd.yaml"] == told


def test_line_ends_of_windows_are_kept(tmp_path: pathlib.Path) -> None:
    before, after = (manifest(text).replace("\n", "\r\n") for text in CASES["list type"])

    text, _ = fixed(tmp_path, before)

    assert after == text


@pytest.mark.parametrize(
    "spec",
    [
        "properties: {tags: {type: array, items: {type: string}}}",
        "properties:\n  tags: {type: array, items: {type: string}}",
        "required: [size]\nproperties:\n  size: {type: integer, default: 1}",
        "properties:\n  a.b:\n    type: array\n    items: {type: string}",
        # Both lists are the same node.
        "properties:\n  tags: &tags\n    type: array\n    items: {type: string}\n  more: *tags",
    ],
)
def test_layout_that_lines_cannot_change_is_left_or_fixed_alike(
    spec: str, tmp_path: pathlib.Path
) -> None:
    before = manifest(spec)

    text, told = fixed(tmp_path, before)

    is_fixed = bool(told) and told[0].startswith("fixed")
    assert is_fixed == (text != before)
    (old,), (new,) = yaml.load_all(before.encode()), yaml.load_all(text.encode())
    assert normalized(old) == normalized(new)


def normalized(value: JSON) -> JSON:
    """A schema without what the fixes change."""
    if isinstance(value, list):
        return [normalized(item) for item in value]
    if not isinstance(value, dict):
        return value
    dropped = {"x-kubernetes-list-type": "atomic", "required": ["size"]}
    return {
        name: normalized(member) for name, member in value.items() if dropped.get(name) != member
    }


def test_fix_that_changes_a_verdict_is_not_written(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proof is what keeps a wrong fix from a file."""
    text = manifest("properties:\n  size:\n    type: integer\n    maximum: 5")

    monkeypatch.setattr(fixes, "_fixes", lambda definition, *_: made(definition))

    def made(definition: sources.Definition) -> object:
        target = targets.Target(definition, judge.Judge())
        (node,) = (node for node in target.nodes if node.name == "size")
        line = definition.line_of(f"{node.field}.maximum") - 1
        edit = fixes._Edit(line, line + 1)  # noqa: SLF001 - as a wrong fixer would make it
        yield fixes._Fix(lambda schema: schema.pop("maximum"), node.raw, edit)  # noqa: SLF001

    after, told = fixed(tmp_path, text)

    assert text == after
    assert ["left crd.yaml: the judge's verdict changes"] == [
        line.partition(" for {")[0] for line in told
    ]


def test_refused_crd_is_left(tmp_path: pathlib.Path) -> None:
    text = manifest(
        "oneOf:\n- type: object\nproperties:\n  tags:\n    type: array\n    items: {type: string}"
    )

    after, told = fixed(tmp_path, text)

    assert text == after
    assert ["left crd.yaml: the API server refuses widgets.example.com; correct that first"] == told


def test_every_rule_that_says_so_is_fixed(tmp_path: pathlib.Path) -> None:
    folder = pathlib.Path(__file__).parents[2] / "data/crdlint"
    with judge.Judge() as oracle:
        for rule in (rule for rule in catalog.RULES if rule.is_fixed):
            faulty = yaml.load_all((folder / f"{rule.id}.yaml").read_bytes())[0]
            text, _ = fixed(tmp_path, yaml.dumps(faulty))
            (definition,) = sources.parsed(text.encode(), "crd.yaml")
            assert [] == [*run.found(definition, oracle, [rule])], rule.id
