"""The reference of CRDs: which pages there are, what they say, and that anybody can read them."""

import json
import pathlib
from typing import Any

import pytest
from typer.testing import CliRunner

from crds import api
from schemagen import yaml
from schemagen.cli import commands
from schemagen.compat import sources
from schemagen.pages.reference import site
from schemagen.problems import JSON, UserError
from tests.support import page_checks

ROOT = pathlib.Path(__file__).parents[4]
SAMPLES = ROOT / "crds/samples"
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)> & `<b>code</b>` \x07"


def crd(*versions: JSON, group: str = "example.com", name: str | None = None) -> JSON:
    names = {"kind": "Widget", "plural": "widgets", "singular": "widget", "listKind": "WidgetList"}
    spec = {"group": group, "scope": "Namespaced", "names": names, "versions": [*versions]}
    metadata = {"name": name or f"widgets.{group}"}
    return {
        "apiVersion": sources.API_VERSION,
        "kind": sources.KIND,
        "metadata": metadata,
        "spec": spec,
    }


def version(name: str, properties: JSON, **more: Any) -> JSON:
    spec = {"type": "object", "properties": properties}
    schema = {"type": "object", "properties": {"spec": spec}}
    return {
        "name": name,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
    } | more


def written(value: JSON, folder: pathlib.Path, *options: str) -> dict[str, str]:
    """The pages that the command writes for a CRD."""
    source = folder / "crd.yaml"
    source.write_text(yaml.dumps(value))
    done = CliRunner().invoke(
        commands.app, ["docs", str(source), "--out", str(folder / "out"), *options]
    )
    assert 0 == done.exit_code, done.output
    return {path.name: path.read_text() for path in (folder / "out").iterdir()}


def fields_of(page: str) -> dict[str, str]:
    """The fields of a page with their text, one line each."""
    found = {}
    for part in page_checks.parsed(page).every("li"):
        if part.attributes.get("class") == "field":
            own = [child for child in part.every() if "fields" not in str(child.attributes)]
            line = next(own_part for own_part in own if own_part.name in {"div", "summary"})
            below = [one.text for one in _own(part) if one is not line]
            found[part.attributes["data-path"]] = " ".join(" ".join([line.text, *below]).split())
    return found


def _own(part: page_checks.Part) -> list[page_checks.Part]:
    """The parts of a field without the fields below it."""
    holder = next((one for one in part.children if one.name == "details"), part)
    return [one for one in holder.children if one.attributes.get("class") != "fields"]


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    out = tmp_path_factory.mktemp("docs")
    done = CliRunner().invoke(
        commands.app, ["docs", "crds:api", "--out", str(out), "--examples", str(SAMPLES)]
    )
    assert 0 == done.exit_code, done.output
    return {path.name: path.read_text() for path in out.iterdir()}


def test_every_kind_and_version_of_the_platform_has_a_page(platform: dict[str, str]) -> None:
    expected = {
        f"{api.crd_name(kind)}-{one.name}.html" for kind in api.kinds for one in kind.versions
    }

    assert expected | {"index.html"} == platform.keys()


def test_links_of_the_platform_lead_somewhere_and_anybody_can_read_it(
    platform: dict[str, str],
) -> None:
    assert [] == page_checks.faults(platform)


def test_every_field_of_the_schema_is_on_the_page(platform: dict[str, str]) -> None:
    def paths(schema: JSON, at: str = "") -> set[str]:
        found = set()
        for name, child in schema.get("properties", {}).items():
            found |= {f"{at}.{name}"} | paths(child, f"{at}.{name}")
        for keyword, step in (("items", "[]"), ("additionalProperties", "{}")):
            if isinstance(schema.get(keyword), dict):
                found |= paths(schema[keyword], f"{at}{step}")
        return found

    (definition,) = yaml.load_all(
        (ROOT / "crds/generated/agents.proompteng.ai_agentruns.yaml").read_bytes()
    )
    for one in definition["spec"]["versions"]:
        schema = one["schema"]["openAPIV3Schema"]
        names = {"apiVersion", "kind", "metadata"}
        expected = {path.removeprefix(".") for path in paths(schema)} - names

        page = platform[f"agentruns.agents.proompteng.ai-{one['name']}.html"]

        assert expected == fields_of(page).keys()


def test_examples_given_are_shown(platform: dict[str, str]) -> None:
    page = page_checks.parsed(platform["memories.agents.proompteng.ai-v1beta1.html"])

    shown = [yaml.load(part.text.encode()) for part in page.every("pre")]

    assert [yaml.load((SAMPLES / "v1beta1/memory.yaml").read_bytes())] == shown


def test_constraints_defaults_and_rules_are_said(tmp_path: pathlib.Path) -> None:
    name = {"type": "string", "minLength": 1, "maxLength": 63, "pattern": "^[a-z]+$"}
    properties = {
        "name": name | {"description": "Its name."},
        "size": {"type": "integer", "minimum": 1, "maximum": 9, "default": 3},
        "mode": {"type": "string", "enum": ["One", "Two"]},
        "ports": {
            "type": "array",
            "maxItems": 4,
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["port"],
            "items": {
                "type": "object",
                "required": ["port"],
                "properties": {"port": {"type": "integer"}},
            },
        },
        "labels": {"type": "object", "additionalProperties": {"type": "string", "maxLength": 5}},
    }
    one = version("v1", properties)
    one["schema"]["openAPIV3Schema"]["properties"]["spec"] |= {
        "required": ["name"],
        "x-kubernetes-validations": [{"rule": "self.size < 9", "message": "too `big`"}],
    }

    pages = written(crd(one), tmp_path)

    assert {
        "spec": "spec object too big self.size < 9",
        "spec.name": "name string required Its name. Length 1 to 63 characters Pattern ^[a-z]+$",
        "spec.size": "size integer Default 3 Range at least 1 and at most 9",
        "spec.mode": "mode string Values One Two",
        "spec.ports": "ports list of objects Number of items at most 4 items Merged by port",
        "spec.ports[].port": "port integer required",
        "spec.labels": "labels map of strings Length of each value at most 5 characters",
    } == fields_of(pages["widgets.example.com-v1.html"])


def test_what_changed_since_the_version_before_is_said(tmp_path: pathlib.Path) -> None:
    old = version(
        "v1beta1", {"size": {"type": "integer"}, "old": {"type": "boolean"}}, storage=False
    )
    new = version("v1", {"size": {"type": "integer", "maximum": 9}, "note": {"type": "string"}})

    pages = written(crd(new, old), tmp_path)

    page = page_checks.parsed(pages["widgets.example.com-v1.html"])
    (table,) = page.every("table")
    assert [
        ["Field", "Change"],
        ["spec.size", "maximum 9 added"],
        ["spec.old", "removed"],
        ["spec.note", "added"],
    ] == [[cell.text.strip() for cell in row.every("td", "th")] for row in table.every("tr")]
    assert "Changes since" not in pages["widgets.example.com-v1beta1.html"]


def test_smallest_example_fulfils_rules_that_need_more_fields(tmp_path: pathlib.Path) -> None:
    one = version("v1", {"left": {"type": "string"}, "right": {"type": "string"}})
    schema = one["schema"]["openAPIV3Schema"]
    schema["required"] = ["spec"]
    schema["properties"]["spec"]["x-kubernetes-validations"] = [
        {"rule": "has(self.left) && has(self.right)", "message": "both"}
    ]

    pages = written(crd(one), tmp_path)

    (shown,) = page_checks.parsed(pages["widgets.example.com-v1.html"]).every("pre")
    assert {"left": "a", "right": "a"} == yaml.load(shown.text.encode())["spec"]


def test_descriptions_cannot_add_to_the_page(tmp_path: pathlib.Path) -> None:
    field = {"type": "string", "description": HOSTILE, "default": HOSTILE, "pattern": "<i>|."}
    one = version("v1", {"note": field, "</script>": {"type": "string"}})
    one["schema"]["openAPIV3Schema"]["description"] = HOSTILE

    pages = written(crd(one), tmp_path)

    assert [] == page_checks.faults(pages)
    for page in pages.values():
        root = page_checks.parsed(page)
        assert set() == {part.name for part in root.every("img", "i", "b")}
        kinds = [part.attributes.get("type", "") for part in root.every("script")]
        assert kinds in ([""], ["application/json", ""])
    assert "alert(2)" in pages["index.html"]


def test_index_of_the_search_has_every_field(platform: dict[str, str]) -> None:
    (data,) = [
        part.text
        for part in page_checks.parsed(platform["index.html"]).every("script")
        if part.attributes.get("id") == "index"
    ]

    entries = json.loads(data)

    targets = {target for target, _, _ in entries}
    assert "memories.agents.proompteng.ai-v1beta1.html#spec.retention.maxAge" in targets
    assert len(targets) == sum(len(fields_of(page)) for page in platform.values())


def test_a_name_that_leaves_the_directory_is_refused() -> None:
    value = crd(version("v1", {}), name="../../etc/passwd")

    with pytest.raises(UserError, match=r"expected a name such as widgets\.example\.com"):
        site.files([sources.Definition(value, "x.yaml")], title="x")


def test_an_example_that_is_refused_is_named(tmp_path: pathlib.Path) -> None:
    (tmp_path / "crd.yaml").write_text(
        yaml.dumps(crd(version("v1", {"size": {"type": "integer"}})))
    )
    (tmp_path / "example.yaml").write_text(
        "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: a}\nspec: {size: big}\n"
    )
    arguments = ["docs", str(tmp_path / "crd.yaml"), "--out", str(tmp_path / "out")]

    done = CliRunner().invoke(
        commands.app, [*arguments, "--examples", str(tmp_path / "example.yaml")]
    )

    assert 2 == done.exit_code
    assert "example.yaml:1: expected an example that the API server accepts, got:" in done.output
    assert not (tmp_path / "out").exists()


def test_check_tells_outdated_pages_and_writes_nothing(tmp_path: pathlib.Path) -> None:
    written(crd(version("v1", {"size": {"type": "integer"}})), tmp_path)
    page = tmp_path / "out/widgets.example.com-v1.html"
    arguments = ["docs", str(tmp_path / "crd.yaml"), "--out", str(tmp_path / "out"), "--check"]
    current = CliRunner().invoke(commands.app, arguments)
    page.write_text("old")

    done = CliRunner().invoke(commands.app, arguments)

    assert (0, 1, "old") == (current.exit_code, done.exit_code, page.read_text())
    assert f"{page}: not current" in done.output


@pytest.mark.parametrize(
    "names",
    [["v1alpha1", "v1alpha2", "v1beta1", "v1", "v2alpha1", "v2"], ["odd", "v1"], ["v9", "v10"]],
)
def test_versions_are_in_the_order_of_their_age(names: list[str]) -> None:
    newest_first = names[::-1]

    assert names == sorted(newest_first, key=site.rank)


def rows_of(page: str) -> list[tuple[str, str]]:
    (table,) = page_checks.parsed(page).every("table")
    cells = [[cell.text.strip() for cell in row.every("td")] for row in table.every("tr")]
    return [(cell[0], " / ".join(cell[1].splitlines())) for cell in cells if cell]


def test_fields_that_a_conversion_moves_are_shown_with_their_former_place(
    platform: dict[str, str],
) -> None:
    rows = dict(rows_of(platform["memories.agents.proompteng.ai-v1beta1.html"]))

    assert "spec.default in v1alpha1: renamed" == rows["spec.isDefault"]
    assert (
        "spec.connection.secretRef.name in v1alpha1: moved"
        in (rows["spec.connection.secretKeyRef.name"])
    )
    assert "added" == rows["spec.retention"]
    assert {"spec.default", "spec.connection.secretRef"}.isdisjoint(rows)


def test_field_of_another_name_is_only_a_guess_for_other_crds(tmp_path: pathlib.Path) -> None:
    size = {"type": "integer", "minimum": 1, "maximum": 77, "description": "Size of the widget."}
    old = version("v1beta1", {"size": size}, storage=False)
    new = version("v1", {"replicas": size})

    pages = written(crd(old, new), tmp_path)

    assert [
        ("spec.size", "removed, perhaps renamed to replicas"),
        ("spec.replicas", "added"),
    ] == rows_of(pages["widgets.example.com-v1.html"])


def test_crd_that_the_api_server_refuses_is_not_documented(tmp_path: pathlib.Path) -> None:
    value = crd(version("v1", {"size": {"type": "number of things"}}))
    (tmp_path / "crd.yaml").write_text(yaml.dumps(value))

    done = CliRunner().invoke(
        commands.app, ["docs", str(tmp_path / "crd.yaml"), "--out", str(tmp_path / "out")]
    )

    assert 2 == done.exit_code
    assert "crd.yaml: expected a CRD that the API server accepts, got widgets" in done.output
    assert not (tmp_path / "out").exists()
