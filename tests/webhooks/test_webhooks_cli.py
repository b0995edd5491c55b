"""``webhooks review`` and errors of ``webhooks``, as seen by users."""

import json
import pathlib

import pytest

from tests.support.forked_commands import ROOT, Commands, Outcome

pytestmark = pytest.mark.slow

DATA = ROOT / "tests/data"


class Webhooks:
    """``webhooks`` where the repository is."""

    def __init__(self, commands: Commands) -> None:
        self._commands = commands

    def __call__(self, *arguments: str, stdin: bytes = b"") -> Outcome:
        """Run it."""
        return self._commands.run("webhooks", *arguments, cwd=ROOT, stdin=stdin)


@pytest.fixture
def webhooks(commands: Commands) -> Webhooks:
    return Webhooks(commands)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("admission/pass/delete.json", 0),
        ("admission/fail/v1alpha1-parameter-of-2049-bytes.json", 1),
        ("conversion/pass/up-everything-has-a-place.json", 0),
        ("conversion/fail/unknown-kind.json", 1),
    ],
)
def test_review_is_answered_and_the_exit_code_is_the_verdict(
    webhooks: Webhooks, path: str, code: int
) -> None:
    done = webhooks("review", "crds:api", str(DATA / path))

    expected = json.loads((DATA / path).with_suffix(".answer.json").read_text())
    assert (code, expected, "") == (done.code, json.loads(done.out), done.err)


def test_review_is_read_from_standard_input(webhooks: Webhooks) -> None:
    review = (DATA / "admission/pass/v1alpha1-vcs-ref-gets-a-mode.json").read_bytes()

    done = webhooks("review", "crds:api", "-", "--stage", "validate", stdin=review)

    assert {"uid": json.loads(review)["request"]["uid"], "allowed": True} == json.loads(done.out)[
        "response"
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("review", "crds:api", "nowhere.json"), "expected to read nowhere.json"),
        (("review", "crds:api", "-"), "got an empty body"),
        (("review", "crds:nothing", "-"), "expected a schemagen.Api at crds:nothing, got nothing"),
        (("review", "nowhere:api", "-"), "expected a module nowhere, got none"),
        (("review", "crds", "-"), "expected MODULE:ATTRIBUTE"),
        (("review", "json:dumps", "-"), "got function"),
        (
            ("serve", "crds:api", "--storage", "v9"),
            "expected one of v1alpha1, v1beta1 as storage version",
        ),
        (("serve", "crds:api", "--cert-dir", "/dev/null/x"), "webhooks: "),
        (("install", "crds:api"), "expected either --service NAMESPACE/NAME or --url"),
        (("install", "crds:api", "--service", "webhooks"), "expected NAMESPACE/NAME, got webhooks"),
        (
            ("install", "crds:api", "--service", "a/b:https"),
            "expected NAMESPACE/NAME:PORT, got a/b:https",
        ),
        (
            ("install", "crds:api", "--service", "a/b", "--cert-manager", "a/b"),
            "expected --cert-manager together with --crds-only",
        ),
        (("install", "crds:api", "--url", "u", "--storage", "v9"), "expected one of v1alpha1"),
    ],
)
def test_misuse_is_explained(webhooks: Webhooks, arguments: tuple[str, ...], words: str) -> None:
    done = webhooks(*arguments)

    assert 2 == done.code
    assert words in done.err
    assert "Traceback" not in done.err


def test_broken_review_names_the_file(webhooks: Webhooks, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "broken.json"
    path.write_text('{"request": ')

    done = webhooks("review", "crds:api", str(path))

    assert 2 == done.code
    assert f"in {path}" in done.err


def test_settings_reach_the_rules(webhooks: Webhooks, tmp_path: pathlib.Path) -> None:
    settings = tmp_path / "settings.yaml"
    settings.write_text("policy: {labels: {required: [team]}}")
    case = str(DATA / "admission/pass/v1alpha1-complete-run-needs-no-patch.json")

    free = webhooks("review", "crds:api", case)
    bound = webhooks("review", "crds:api", case, "--settings", str(settings))

    assert (0, 1) == (free.code, bound.code)
    assert "metadata.labels[team]" in bound.out


@pytest.mark.parametrize("text", ["[1]", "a: [", ""])
def test_settings_that_are_no_mapping_are_an_error(
    webhooks: Webhooks, tmp_path: pathlib.Path, text: str
) -> None:
    settings = tmp_path / "settings.yaml"
    settings.write_text(text)
    case = str(DATA / "admission/pass/v1alpha1-complete-run-needs-no-patch.json")

    done = webhooks("review", "crds:api", case, "--settings", str(settings))

    assert 2 == done.code
    assert str(settings) in done.err
