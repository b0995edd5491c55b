"""Conversions declared in files: what they say, what is refused, and what they convert."""

import pathlib
from typing import Any

import jsonschema
import pytest

from schemagen import yaml
from schemagen.crd import definitions
from schemagen.problems import JSON, UserError
from schemagen.versions import graph, verification
from schemagen.versions.declared import file_format, loading

DATA = pathlib.Path(__file__).parents[2] / "data/declared"

TEXT = {"type": "string"}
NUMBER = {"type": "integer"}


def items(**properties: JSON) -> JSON:
    """A list of objects."""
    return {"type": "array", "items": {"type": "object", "properties": properties}}


def texts() -> JSON:
    return {"type": "array", "items": TEXT}


def words(*values: str) -> JSON:
    return {"type": "string", "enum": [*values]}


def crd(old: JSON, new: JSON, plural: str = "widgets", group: str = "example.com") -> JSON:
    """A CRD of two versions, whose specs have some fields."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": plural[:-1].title(), "plural": plural},
            "versions": [
                {
                    "name": name,
                    "served": True,
                    "storage": name == "v1",
                    "schema": {
                        "openAPIV3Schema": {
                            "type": "object",
                            "properties": {"spec": {"type": "object", "properties": fields}},
                        }
                    },
                }
                for name, fields in (("v1", new), ("v1beta1", old))
            ],
        },
    }


HEAD = """\
apiVersion: kubewright.dev/v1alpha1
kind: Conversion
metadata:
  name: widgets.example.com
spec:
  conversions:
  - from: v1beta1
    to: v1
"""


def load(folder: pathlib.Path, definition: JSON, text: str) -> Any:
    """The Api of a CRD and a file of conversions."""
    (folder / "crd.yaml").write_text(yaml.dumps(definition))
    (folder / "conversion.yaml").write_text(text)
    api = loading.load([str(folder / "crd.yaml")], [str(folder / "conversion.yaml")])
    verification.check(api)
    return api


def steps(text: str) -> str:
    """The file with some steps."""
    return HEAD + "    steps:\n" + "".join(f"    {line}\n" for line in text.strip().splitlines())


def converted(api: Any, spec: JSON, source: str, target: str) -> JSON:
    """What becomes of a spec."""
    (kind,) = api.kinds
    value = {"apiVersion": f"example.com/{source}", "kind": "Widget", "metadata": {}, "spec": spec}
    return graph.convert(api, kind, value, source=source, target=target).object.get("spec")


CASES: dict[str, tuple[JSON, JSON, str, JSON, JSON]] = {
    "a field that both have": ({"a": TEXT}, {"a": TEXT}, "", {"a": "x"}, {"a": "x"}),
    "rename": (
        {"old": NUMBER},
        {"new": NUMBER},
        "- move: {from: spec.old, to: spec.new}",
        {"old": 1},
        {"new": 1},
    ),
    "a field in the items of a list": (
        {"ports": items(name=TEXT, number=NUMBER)},
        {"ports": items(name=TEXT, port=NUMBER)},
        "- move: {from: 'spec.ports[].number', to: 'spec.ports[].port'}",
        {"ports": [{"name": "a", "number": 1}, {"name": "b", "number": 2}]},
        {"ports": [{"name": "a", "port": 1}, {"name": "b", "port": 2}]},
    ),
    "a list with another name, and a field in its items": (
        {"ports": items(name=TEXT, number=NUMBER)},
        {"listeners": items(name=TEXT, port=NUMBER)},
        (
            "- move: {from: 'spec.ports', to: 'spec.listeners'}\n"
            "- move: {from: 'spec.ports[].number', to: 'spec.listeners[].port'}"
        ),
        {"ports": [{"name": "a", "number": 1}]},
        {"listeners": [{"name": "a", "port": 1}]},
    ),
    "a field in the values of a map": (
        {"zones": {"type": "object", "additionalProperties": items(n=NUMBER)["items"]}},
        {"zones": {"type": "object", "additionalProperties": items(m=NUMBER)["items"]}},
        "- move: {from: 'spec.zones{}.n', to: 'spec.zones{}.m'}",
        {"zones": {"eu": {"n": 1}}},
        {"zones": {"eu": {"m": 1}}},
    ),
    "out of an object, beside fields that stay": (
        {"a": {"type": "object", "properties": {"x": TEXT, "y": TEXT}}},
        {"a": {"type": "object", "properties": {"x": TEXT}}, "y": TEXT},
        "- move: {from: spec.a.y, to: spec.y}",
        {"a": {"x": "1", "y": "2"}},
        {"a": {"x": "1"}, "y": "2"},
    ),
    "values that both versions of an enum have": (
        {"mode": words("A", "B")},
        {"mode": words("A", "C")},
        "",
        {"mode": "A"},
        {"mode": "A"},
    ),
    "a singleton becomes a list": (
        {"host": TEXT},
        {"hosts": texts()},
        "- move: {from: spec.host, to: spec.hosts, step: single}",
        {"host": "a"},
        {"hosts": ["a"]},
    ),
    "a duration becomes seconds": (
        {"wait": TEXT},
        {"waitSeconds": NUMBER},
        "- move: {from: spec.wait, to: spec.waitSeconds, step: {inverse: toDuration}}",
        {"wait": "1m30s"},
        {"waitSeconds": 90},
    ),
    "a string becomes fields": (
        {"address": TEXT},
        {"host": TEXT, "port": NUMBER},
        (
            "- split:\n"
            "    from: spec.address\n"
            "    to: [spec.host, {path: spec.port, step: textToInteger}]\n"
            '    separator: ":"'
        ),
        {"address": "a:80"},
        {"host": "a", "port": 80},
    ),
    "fields become a string": (
        {"first": TEXT, "last": TEXT},
        {"name": TEXT},
        "- join: {from: [spec.first, spec.last], to: spec.name, separator: '/'}",
        {"first": "a", "last": "b"},
        {"name": "a/b"},
    ),
    "a list becomes a string": (
        {"a": texts()},
        {"a": TEXT},
        "- sameName: {path: spec.a, step: {joined: ','}}",
        {"a": ["x", "y"]},
        {"a": "x,y"},
    ),
    "a boolean becomes an enum": (
        {"on": {"type": "boolean"}},
        {"state": words("On", "Off")},
        (
            "- move:\n"
            "    from: spec.on\n"
            "    to: spec.state\n"
            "    step: {mapped: [{old: true, new: 'On'}, {old: false, new: 'Off'}]}"
        ),
        {"on": False},
        {"state": "Off"},
    ),
    "a list becomes a map": (
        {"users": items(name=TEXT, role=TEXT)},
        {"users": {"type": "object", "additionalProperties": items(role=TEXT)["items"]}},
        "- sameName: {path: spec.users, step: {listToMap: {key: name}}}",
        {"users": [{"name": "a", "role": "r"}]},
        {"users": {"a": {"role": "r"}}},
    ),
    "a tag becomes objects": (
        {"s": {"type": "object", "properties": {"type": words("d", "n"), "path": TEXT}}},
        {"s": {"type": "object", "properties": {"disk": items(path=TEXT)["items"]}}},
        "- flatUnion: {path: spec.s, tag: type, arms: {d: {to: disk}}}",
        {"s": {"type": "d", "path": "/"}},
        {"s": {"disk": {"path": "/"}}},
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=[*CASES])
def test_objects_are_converted_there_and_back(
    case: tuple[JSON, JSON, str, JSON, JSON], tmp_path: pathlib.Path
) -> None:
    old, new, text, before, after = case
    api = load(tmp_path, crd(old, new), steps(text) if text else HEAD)

    assert after == converted(api, before, "v1beta1", "v1")
    assert before == converted(api, after, "v1", "v1beta1")


RENAMED: dict[str, tuple[list[JSON], list[JSON]]] = {
    "one item": (
        [{"name": "x"}, {"name": "b"}],
        [{"name": "x", "p": "1"}, {"name": "b", "p": "2"}],
    ),
    "each item": (
        [{"name": "x"}, {"name": "y"}],
        [{"name": "x", "p": "1"}, {"name": "y", "p": "2"}],
    ),
    "moved, and another one added": (
        [{"name": "b"}, {"name": "c"}],
        [{"name": "b", "p": "2"}, {"name": "c"}],
    ),
    "one item less": ([{"name": "x"}], [{"name": "x"}]),
}


@pytest.mark.parametrize(("written", "expected"), RENAMED.values(), ids=[*RENAMED])
def test_a_renamed_item_keeps_what_the_other_version_says(
    written: JSON, expected: JSON, tmp_path: pathlib.Path
) -> None:
    definition = crd({"ports": items(name=TEXT)}, {"ports": items(name=TEXT, p=TEXT)})
    api = load(tmp_path, definition, HEAD)
    (kind,) = api.kinds
    ports = [{"name": "a", "p": "1"}, {"name": "b", "p": "2"}]
    new = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {}}

    old = graph.convert(
        api, kind, {**new, "spec": {"ports": ports}}, source="v1", target="v1beta1"
    ).object
    old["spec"] = {"ports": written}
    after = graph.convert(api, kind, old, source="v1beta1", target="v1").object

    assert expected == after["spec"]["ports"]


REFUSED: dict[str, tuple[JSON, JSON, str, str]] = {
    "an unknown step": (
        {"a": TEXT},
        {"b": TEXT},
        "- mvoe: {from: spec.a, to: spec.b}",
        (
            "conversion.yaml:10: spec.conversions[0].steps[0].mvoe: expected one of move, keep, "
            "sameName, forget, unrelated, constant, implied, writtenOut, sentinel, openWords, "
            "firstOf, flatUnion, split, join, got mvoe; did you mean move?"
        ),
    ),
    "two steps in one": (
        {"a": TEXT},
        {"b": TEXT},
        "- move: {from: spec.a, to: spec.b}\n  keep: [spec.a]",
        "conversion.yaml:10: spec.conversions[0].steps[0]: expected one step, got move, keep",
    ),
    "an argument that is missing": (
        {"a": TEXT},
        {"b": TEXT},
        "- move: {from: spec.a}",
        "conversion.yaml:10: spec.conversions[0].steps[0].move: expected to, got nothing",
    ),
    "an argument of another type": (
        {"a": TEXT},
        {"b": TEXT},
        "- move:\n    from: spec.a\n    to: 1",
        "conversion.yaml:12: spec.conversions[0].steps[0].move.to: expected a string, got 1",
    ),
    "no arguments": (
        {"a": TEXT},
        {"b": TEXT},
        "- move: {from: spec.a, to: spec.b, step: enumeration}",
        (
            "conversion.yaml:10: spec.conversions[0].steps[0].move.step: expected arguments of "
            "enumeration, got none"
        ),
    ),
    "a repeated key": (
        {"a": TEXT},
        {"b": TEXT},
        "- move: {from: spec.a, to: spec.b, to: spec.c}",
        "conversion.yaml:10: key 'to' is repeated",
    ),
    "a path that leads nowhere": (
        {"replica": NUMBER},
        {"replicas": NUMBER},
        "- move: {from: spec.replica, to: spec.replcas}",
        (
            "Widget v1beta1 <-> v1: v1 spec.replcas: expected a field of v1, got no such field; "
            "did you mean replicas? (conversion.yaml:10)"
        ),
    ),
    "a path into a list": (
        {"ports": items(n=NUMBER)},
        {"ports": items(m=NUMBER)},
        "- move: {from: spec.ports.n, to: spec.ports.m}",
        (
            "Widget v1beta1 <-> v1: v1 spec.ports.m: expected [] between the list spec.ports and "
            "m, got none (conversion.yaml:10)"
        ),
    ),
    "a malformed path": (
        {"a": TEXT},
        {"b": TEXT},
        "- move: {from: .spec.a, to: spec.b}",
        (
            "Widget v1beta1 <-> v1: v1beta1 object: expected a path such as spec.ports[].name, got "
            "'.spec.a' (conversion.yaml:10)"
        ),
    ),
    "another type without a step": (
        {"a": TEXT},
        {"a": NUMBER},
        "",
        (
            "Widget v1beta1 <-> v1: v1beta1 spec.a: expected a step that converts it, got none for "
            "a string in v1beta1 and an integer in v1; give sameName or move a step, or list "
            "spec.a in unrelated if the two mean different things (conversion.yaml:7)"
        ),
    ),
    "a step of another type": (
        {"a": TEXT},
        {"b": TEXT},
        "- move: {from: spec.a, to: spec.b, step: toDuration}",
        (
            "Widget v1beta1 <-> v1: v1beta1 spec.a: expected an integer for its step, got a string "
            "(conversion.yaml:10)"
        ),
    ),
    "a value that an enum lacks": (
        {"m": words("red")},
        {"m": words("Red")},
        "- sameName: {path: spec.m, step: {enumeration: {red: Rad}}}",
        (
            "Widget v1beta1 <-> v1: v1 spec.m: expected one of its values Red in enumeration, got "
            "Rad; did you mean Red? (conversion.yaml:10)"
        ),
    ),
    "two steps that write a field": (
        {"a": TEXT, "b": TEXT},
        {"c": TEXT},
        "- move: {from: spec.a, to: spec.c}\n- move: {from: spec.b, to: spec.c}",
        (
            "Widget v1beta1 <-> v1: v1 spec.c: expected a single step that writes it, got two; "
            "leave one out (conversion.yaml:11)"
        ),
    ),
    "a step out of a list": (
        {"ports": items(n=NUMBER)},
        {"ports": items(m=NUMBER), "n": NUMBER},
        "- move: {from: 'spec.ports[].n', to: spec.n}",
        (
            "Widget v1beta1 <-> v1: v1beta1 spec.ports: expected a step within a list in both "
            "versions, got one that leads out of it (conversion.yaml:10)"
        ),
    ),
}


@pytest.mark.parametrize(("old", "new", "text", "message"), REFUSED.values(), ids=[*REFUSED])
def test_mistakes_are_named_with_their_line(
    old: JSON, new: JSON, text: str, message: str, tmp_path: pathlib.Path
) -> None:
    with pytest.raises(UserError) as error:
        load(tmp_path, crd(old, new), steps(text) if text else HEAD)

    lines = str(error.value).replace(f"{tmp_path}/", "").splitlines()
    assert message in lines


def test_versions_without_a_conversion_are_named(tmp_path: pathlib.Path) -> None:
    with pytest.raises(UserError) as error:
        load(tmp_path, crd({}, {}), HEAD.replace("v1beta1", "v1alpha1"))

    assert [
        (
            f"{tmp_path}/conversion.yaml:7: expected two adjacent versions of widgets.example.com, "
            "from the older to the newer (v1beta1, v1), got v1alpha1 to v1"
        ),
        f"{tmp_path}/conversion.yaml:6: expected a conversion from v1beta1 to v1, got none",
    ] == str(error.value).splitlines()


def test_a_file_of_no_crd_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(UserError) as error:
        load(tmp_path, crd({}, {}), HEAD.replace("widgets", "wigdets"))

    assert (
        f"{tmp_path}/conversion.yaml:4: expected the name of a CRD (widgets.example.com), got "
        "wigdets.example.com; did you mean widgets.example.com?"
    ) == str(error.value)


def test_an_api_is_a_module_or_crds_with_conversions() -> None:
    messages = []
    for arguments in ((None, (), ()), ("crds:api", ("d",), ()), (None, (), ("d",))):
        with pytest.raises(UserError) as error:
            loading.api_of(*arguments)
        messages.append(str(error.value))

    expected = "expected MODULE:API, or --crds with --conversions, got "
    assert [
        f"{expected}neither",
        f"{expected}crds:api and --crds",
        f"{expected}--conversions",
    ] == messages


def test_a_crd_is_installed_as_it_is_but_for_its_conversion(tmp_path: pathlib.Path) -> None:
    given = crd({"a": TEXT}, {"a": TEXT})
    given["spec"]["versions"][0]["additionalPrinterColumns"] = [{"name": "A", "type": "string"}]
    api = load(tmp_path, given, HEAD)
    (kind,) = api.stored_as("v1beta1").kinds

    found = definitions.crd(api, kind, webhook={"url": "https://example.com"})

    for version in given["spec"]["versions"]:
        version["storage"] = not version["storage"]
    conversion = definitions.conversion({"url": "https://example.com"})
    assert {**given, "spec": {**given["spec"], "conversion": conversion}} == found


FILES = sorted((DATA / "conversions").glob("*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_the_json_schema_accepts_files(path: pathlib.Path) -> None:
    (document,) = yaml.load_all(path.read_bytes())

    jsonschema.Draft202012Validator(file_format.json_schema()).validate(document)


def test_the_json_schema_refuses_what_is_refused() -> None:
    schema = jsonschema.Draft202012Validator(file_format.json_schema())
    for _, _, text, _ in [*REFUSED.values()][:5]:
        (document,) = yaml.load_all(steps(text).encode())
        assert not schema.is_valid(document), text
