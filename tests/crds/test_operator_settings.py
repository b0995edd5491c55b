"""A settings file is read strictly: what is misspelt would allow everything."""

import pathlib
import re
from typing import Any

import msgspec
import pytest

from crds.admission import settings
from schemagen import yaml

TABLE = pathlib.Path(__file__).parents[2] / "docs/policies.md"


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"polcy": {}}, "object contains unknown field `polcy`"),
        ({"policy": {"image": {}}}, "policy: object contains unknown field `image`"),
        (
            {"policy": {"images": {"deny": ["x"]}}},
            "policy.images: object contains unknown field `deny`",
        ),
        (
            {"policy": {"images": {"denied": "x"}}},
            "policy.images.denied: expected `array`, got `str`",
        ),
        (
            {"policy": {"secrets": {"denied": [1]}}},
            "policy.secrets.denied: expected `str`, got `int`",
        ),
        ({"policy": None}, "policy: expected `object`, got `null`"),
        ({"pods": {"runAsNonRoot": "no"}}, "pods.runAsNonRoot: expected `bool`, got `str`"),
        (
            {"pods": {"resources": {"limit": {}}}},
            "pods.resources: object contains unknown field `limit`",
        ),
        (
            {"pods": {"seccompProfile": "None"}},
            (
                "pods.seccompProfile: "
                "expected RuntimeDefault, Unconfined or Localhost/PATH, got 'None'"
            ),
        ),
        (
            {"pods": {"runAsUser": 0}},
            ("pods.runAsUser: expected a non-root user, got 0; root requires runAsNonRoot: false"),
        ),
        (
            {"pods": {"startTimeout": "soon"}},
            "pods.startTimeout: expected a duration such as 30m or 1h30m, got 'soon'",
        ),
    ],
)
def test_misspelt_settings_are_named(given: dict[str, Any], problem: str) -> None:
    (found,) = settings.problems(given)

    assert problem == str(found).removesuffix("; docs/policies.md lists every setting")


def test_settings_that_are_right_have_no_problem_and_come_back() -> None:
    given = {
        "policy": {"labels": {"required": ["team"]}, "images": {"allowed": []}},
        "pods": {"runAsNonRoot": False, "runAsUser": 0, "resources": {"limits": {"cpu": 2}}},
    }

    assert [] == settings.problems(given)
    assert given == msgspec.json.decode(settings.encoded(settings.read(given)))
    assert settings.DEFAULTS == settings.read({})


def test_every_setting_and_what_is_unsafe_stand_in_the_document() -> None:
    text = TABLE.read_text()
    rows = set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))
    fields = {
        one.encode_name
        for kind in (settings.Policy, settings.Pods)
        for one in msgspec.structs.fields(kind)
    }
    patterns = {
        pattern
        for given in (settings.UNSAFE, settings.SAFE)
        for found in given.values()
        for pattern in found
        if pattern
    }

    assert fields == rows
    assert [] == [one for one in sorted(patterns) if f"`{one}`" not in text]


def test_example_in_the_document_is_the_file_that_is_tried() -> None:
    (example,) = re.findall(r"^```yaml\n(.*?)^```", TABLE.read_text(), re.MULTILINE | re.DOTALL)
    file = TABLE.parents[1] / "tests/data/policies/settings.yaml"

    assert file.read_text() == example
    assert [] == settings.problems(yaml.load_all(example.encode())[0])
