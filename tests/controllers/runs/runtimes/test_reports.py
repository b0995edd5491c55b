"""Any runner report becomes a valid status."""

import msgspec
from hypothesis import given, settings, strategies

from controllers.runs.runtimes import reports
from crds import hub

JSON = strategies.recursive(
    strategies.none()
    | strategies.booleans()
    | strategies.integers(-(2**63), 2**63 - 1)
    | strategies.text(),
    lambda inner: strategies.lists(inner) | strategies.dictionaries(strategies.text(), inner),
    max_leaves=8,
)
NAMES = strategies.sampled_from(
    ["status", "exitCode", "signal", "provider", "adapter", "error", "startedAt", "artifacts", "x"]
)


@settings(deadline=None)
@given(strategies.dictionaries(NAMES, JSON))
def test_status_takes_whatever_a_runner_wrote(report: dict[str, object]) -> None:
    told = reports.runner(reports.read(msgspec.json.encode(report)))

    if told:
        hub.agentrun.Runner.model_validate(told)


def test_report_is_told_in_the_words_of_the_status() -> None:
    report = {
        "status": "failed",
        "exitCode": 3,
        "error": "the tests fail",
        "startedAt": "2026-11-28T12:00:00Z",
        "finishedAt": "yesterday",
        "threadId": "t-1",
    }

    assert {
        "status": "Failed",
        "exitCode": 3,
        "error": "the tests fail",
        "startTime": "2026-11-28T12:00:00Z",
        "extra": {"threadId": "t-1"},
    } == reports.runner(report)


def test_artifact_whose_url_is_its_content_keeps_its_name() -> None:
    listed = [{"name": "log", "path": "a.log"}, {"name": "dump", "url": "data:text/plain,x"}, {}]

    files = reports.files({"artifacts": {"outputArtifacts": listed}})

    assert [{"name": "log", "path": "a.log"}, {"name": "dump"}] == files.artifacts


def test_message_of_another_program_is_no_report() -> None:
    assert [None, None, None] == [reports.read(text) for text in ("", "killed", "[1]")]


def test_report_that_is_too_large_or_too_deep_is_none() -> None:
    depth = 30_000

    assert {"a": 1} == reports.read(b'{"a":1}' + b" " * 65_529)
    assert reports.read(b'{"a":1}' + b" " * 65_530) is None
    assert reports.read(b'{"a":' + b"[" * depth + b"]" * depth + b"}") is None
