import hashlib
import pathlib

import pytest

from controllers.runner import errors, prompts, spec, workspace

TEXT = "Du bist ein Bäcker.\n"
HASH = hashlib.sha256(TEXT.encode()).hexdigest()
NONE = spec.Run()
INLINE = spec.Run(system_prompt=TEXT)


@pytest.fixture
def place(tmp_path: pathlib.Path) -> workspace.Workspace:
    (tmp_path / "prompt.txt").write_text(TEXT)
    return workspace.Workspace(tmp_path)


def variables(**named: str) -> dict[str, str]:
    return {f"CODEX_SYSTEM_PROMPT_{name.upper()}": value for name, value in named.items()}


def test_prompt_is_read(place: workspace.Workspace) -> None:
    environment = variables(path="/workspace/prompt.txt", expected_hash=HASH.upper())

    assert TEXT == prompts.system_prompt(environment, NONE, place)


def test_file_goes_before_the_prompt_of_the_run(place: workspace.Workspace) -> None:
    run = spec.Run(system_prompt="other")

    assert TEXT == prompts.system_prompt(variables(path="prompt.txt"), run, place)
    assert "other" == prompts.system_prompt({}, run, place)
    assert "other" == prompts.system_prompt(variables(path="missing.txt"), run, place)
    assert prompts.system_prompt({}, NONE, place) is None


def test_prompt_of_the_run_is_checked_too(place: workspace.Workspace) -> None:
    environment = variables(required="true", expected_hash=HASH)

    assert TEXT == prompts.system_prompt(environment, INLINE, place)


@pytest.mark.parametrize(
    ("environment", "run", "message"),
    [
        (variables(required="true"), NONE, "expected a system prompt in CODEX_SYSTEM_PROMPT_PATH"),
        (variables(expected_hash=HASH), NONE, "expected a system prompt in"),
        (variables(required="true", path="missing.txt"), INLINE, "required: could not read"),
        (variables(path="missing.txt", expected_hash=HASH), INLINE, "required: could not read"),
        (
            variables(path="prompt.txt", expected_hash="0" * 64),
            NONE,
            f"SHA-256 '0{{64}}', got {HASH}",
        ),
        (variables(expected_hash="0" * 64), INLINE, "SHA-256 '0{64}', got"),
    ],
)
def test_prompt_that_is_missing_or_another_is_refused(
    place: workspace.Workspace, environment: dict[str, str], run: spec.Run, message: str
) -> None:
    with pytest.raises(errors.PromptError, match=message):
        prompts.system_prompt(environment, run, place)


def test_prompt_in_another_encoding_is_refused(place: workspace.Workspace) -> None:
    (place.root / "latin.txt").write_bytes(TEXT.encode("latin-1"))

    with pytest.raises(errors.PromptError, match="UTF-8"):
        prompts.system_prompt(variables(path="latin.txt"), NONE, place)
