"""The example in docs/runner.md works as documented."""

import json
import pathlib
import re

from controllers.runner import errors, logs, processes, spec, workspace
from tests.support.agent_runs import Runner

TEXT = (pathlib.Path(__file__).parents[3] / "docs/runner.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
RUN, SPEC, STATUS = (json.loads(text) for language, text in BLOCKS if language == "json")
SCRIPT = next(text for _, text in BLOCKS if text.startswith("#!"))
STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def test_example_does_what_it_says(runner: Runner) -> None:
    runner.write(SPEC, RUN)
    script = runner.root / "greet.sh"
    script.write_text(SCRIPT)
    script.chmod(0o755)

    done = runner()

    text = json.dumps(done.status).replace(str(runner.root), "/workspace")
    assert STAMP.sub("", json.dumps(STATUS)) == STAMP.sub("", text)
    assert done.output.strip() in TEXT
    assert {"who": "world", "times": 2} == json.loads((runner.root / "in/inputs.json").read_text())


def test_exit_codes_are_all_told() -> None:
    codes = {each.exit_code for each in _all(errors.RunnerError) if hasattr(each, "exit_code")}

    told = {int(code) for code in re.findall(r"^\| (\d+) \|", TEXT, re.MULTILINE)}
    assert codes | {0, 70, 143} == told


def _all(kind: type[errors.RunnerError]) -> list[type[errors.RunnerError]]:
    return [kind, *(each for child in kind.__subclasses__() for each in _all(child))]


def test_fields_and_numbers_are_told() -> None:
    settings = (*spec.Codex.__struct_encode_fields__, *spec.Spec.__struct_encode_fields__)

    # `adapter` and its fields have rows of their own.
    assert [] == [name for name in settings if name != "adapter" and f"`{name}`" not in TEXT]
    assert f"| {processes.GRACE_SECONDS:g} |" in TEXT
    assert f"| {logs.MAX_LOG_BYTES} |" in TEXT
    assert f"`{workspace.LAYOUT}`" in TEXT
