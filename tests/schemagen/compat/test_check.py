"""``schemagen check`` with the newest judge."""

import copy
import json
import pathlib
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import typer.testing

from schemagen import yaml
from schemagen.cli import commands

CRD: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.example.com"},
    "spec": {
        "group": "example.com",
        "names": {
            "kind": "Widget",
            "listKind": "WidgetList",
            "plural": "widgets",
            "singular": "widget",
        },
        "scope": "Namespaced",
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "properties": {
                                    "tags": {"type": "array", "items": {"type": "string"}}
                                },
                            }
                        },
                    }
                },
            }
        ],
    },
}
TAGS = "spec.versions[0].schema.openAPIV3Schema.properties[spec].properties[tags]"


def widget(**keywords: Any) -> dict[str, Any]:
    """A CRD with more keywords on its tags."""
    made = copy.deepcopy(CRD)
    spec = made["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    spec["properties"]["tags"].update(keywords)
    return made


def rules(*texts: str) -> list[dict[str, str]]:
    return [{"rule": text} for text in texts]


UNIQUE = rules("self.all(x, self.exists_one(y, x == y))")


def check(folder: pathlib.Path, crd: Any, *options: str) -> Any:
    file = folder / "widgets.yaml"
    file.write_text(yaml.dumps(crd))
    return typer.testing.CliRunner().invoke(commands.app, ["check", str(file), *options])


def findings(folder: pathlib.Path, crd: Any, *options: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(check(folder, crd, "-o", "json", *options).stdout)[
        "findings"
    ]
    return found


def test_crd_that_fits_is_a_row(tmp_path: pathlib.Path) -> None:
    done = check(tmp_path, CRD)

    assert (0, "CRD                  1.37\nwidgets.example.com  ok\n") == (
        done.exit_code,
        done.stdout,
    )


def test_cost_of_rules_is_in_the_row(tmp_path: pathlib.Path) -> None:
    done = check(tmp_path, widget(**{"x-kubernetes-validations": rules("self.all(x, x != 'a')")}))

    assert done.stdout.endswith("widgets.example.com  ok (52%)\n")


def test_expensive_rule_is_reported_with_the_bounds_that_fit(tmp_path: pathlib.Path) -> None:
    (found,) = findings(tmp_path, widget(**{"x-kubernetes-validations": UNIQUE}))

    assert ("cel-cost", "error", TAGS) == (found["rule"], found["level"], found["path"])
    assert "got 345880409621712077" in found["message"]
    assert {"1.37": 345880409621712077} == found["costs"]
    most = found["bounds"][0]["most"]
    assert ["maxItems of spec.tags"] == found["bounds"][0]["places"]
    fitting = widget(maxItems=most, **{"x-kubernetes-validations": UNIQUE})
    assert 0 == check(tmp_path, fitting).exit_code
    too_many = widget(maxItems=most + 1, **{"x-kubernetes-validations": UNIQUE})
    assert 1 == check(tmp_path, too_many).exit_code


def test_change_that_makes_it_fit_was_tried(tmp_path: pathlib.Path) -> None:
    wrong = widget(**{"x-kubernetes-validations": rules("self.size() > 0", "self.sise() > 0")})

    (found,) = findings(tmp_path, wrong)

    place = f"{TAGS}.x-kubernetes-validations[1]"
    assert f"{place}.rule" == found["path"]
    assert found["message"].endswith(f"; accepted without {place}")


def test_change_that_is_not_enough_is_not_told(tmp_path: pathlib.Path) -> None:
    wrong = copy.deepcopy(CRD)
    wrong["spec"]["scope"] = "Planetary"

    assert not [one for one in findings(tmp_path, wrong) if "accepted without" in one["message"]]


def test_line_is_that_of_the_field(tmp_path: pathlib.Path) -> None:
    (found,) = findings(tmp_path, widget(**{"x-kubernetes-validations": UNIQUE}))

    line = (tmp_path / "widgets.yaml").read_text().splitlines()[found["line"] - 1]
    assert line.strip() in {"tags:", "type: array"}


def test_unknown_field_is_refused_or_dropped(tmp_path: pathlib.Path) -> None:
    wrong = copy.deepcopy(CRD)
    wrong["spec"]["versions"][0]["selectedFields"] = []

    strict, lax = check(tmp_path, wrong), check(tmp_path, wrong, "--no-strict")

    assert (1, 0) == (strict.exit_code, lax.exit_code)
    assert "accepted without spec.versions[0].selectedFields (field-unknown)" in strict.stdout
    assert "warning: widgets.example.com" in lax.stdout


def test_warning_is_no_error(tmp_path: pathlib.Path) -> None:
    odd = widget(items={"type": "string", "format": "odd"})

    done = check(tmp_path, odd)

    assert 0 == done.exit_code
    assert 'unrecognized format "odd" (server-warning)' in done.stdout


@pytest.mark.parametrize("form", ["text", "json", "junit", "sarif"])
def test_exit_code_does_not_depend_on_the_format(tmp_path: pathlib.Path, form: str) -> None:
    refused = widget(**{"x-kubernetes-validations": UNIQUE})

    codes = [
        check(tmp_path, CRD, "-o", form).exit_code,
        check(tmp_path, refused, "-o", form).exit_code,
        check(tmp_path, "no CRD", "-o", form).exit_code,
    ]

    assert [0, 1, 2] == codes


def test_formats_hold_the_finding(tmp_path: pathlib.Path) -> None:
    refused = widget(**{"x-kubernetes-validations": UNIQUE})

    sarif = json.loads(check(tmp_path, refused, "-o", "sarif").stdout)
    junit = ET.fromstring(check(tmp_path, refused, "-o", "junit").stdout)  # noqa: S314 - our own

    (result,) = sarif["runs"][0]["results"]
    assert ("cel-cost", "error") == (result["ruleId"], result["level"])
    assert ("1", "1") == (junit.get("tests"), junit.get("failures"))


def test_json_holds_every_verdict(tmp_path: pathlib.Path) -> None:
    crd = widget(**{"x-kubernetes-validations": rules("self.all(x, x != 'a')")})

    verdicts = json.loads(check(tmp_path, crd, "-o", "json").stdout)["verdicts"]

    (cost,) = verdicts["widgets.example.com"]["1.37"].pop("costs")
    assert ("v1", "spec.tags", 10_000_000) == (cost["version"], cost["path"], cost["limit"])
    assert {
        "widgets.example.com": {
            "1.37": {"allowed": True, "message": "", "dropped": [], "warnings": []}
        }
    } == verdicts


def test_update_may_leave_what_was_wrong(tmp_path: pathlib.Path) -> None:
    """A rule that was too expensive before stays; one that is added is refused."""
    # Over the limit of a rule, but not over that of all.
    costly = rules("self.all(x, x != 'a' && x != 'b' && x != 'c' && x != 'd' && x != 'e')")
    old, new = tmp_path / "old.yaml", widget(**{"x-kubernetes-validations": costly})
    old.write_text(yaml.dumps(new))

    unchanged = check(tmp_path, new, "--old", str(old))
    old.write_text(yaml.dumps(CRD))
    added = check(tmp_path, new, "--old", str(old))

    assert (0, 1) == (unchanged.exit_code, added.exit_code)


def test_update_that_drops_a_stored_version_is_refused(tmp_path: pathlib.Path) -> None:
    old, new = tmp_path / "old.yaml", copy.deepcopy(CRD)
    old.write_text(yaml.dumps(CRD))
    new["spec"]["versions"][0]["name"] = "v2"

    done = check(tmp_path, new, "--old", str(old))

    assert 1 == done.exit_code
    assert "status.storedVersions[0]" in done.stdout


def test_unreadable_file_among_others_is_told_and_counts(tmp_path: pathlib.Path) -> None:
    (tmp_path / "broken.yaml").write_text("a: [")

    done = check(tmp_path, CRD, str(tmp_path))

    assert 2 == done.exit_code


@pytest.mark.parametrize("text", ["1.28", "1.38", "1.37..1.34", "1.34..", "2.1", "newest", ""])
def test_minor_version_without_a_judge_is_explained(tmp_path: pathlib.Path, text: str) -> None:
    done = check(tmp_path, CRD, "--kubernetes", text)

    assert 2 == done.exit_code
    assert "expected minor versions of Kubernetes from 1.29 to 1.37" in done.stderr
