import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.runner import status

# Lone surrogates are what Python makes of file names that are no UTF-8.
CHARACTERS = st.characters(exclude_categories=())
TEXTS = st.text(CHARACTERS, max_size=60).flatmap(
    lambda text: st.integers(1, 60).map(lambda times: text * times)
)
MAYBE = st.none() | TEXTS
INTS = st.integers(-(2**63), 2**63 - 1)
PRODUCED = st.builds(
    status.Produced, name=TEXTS, path=MAYBE, key=MAYBE, url=MAYBE, bytes=INTS, sha256=MAYBE
)
ARTIFACTS = st.builds(
    status.Artifacts,
    status_path=MAYBE,
    log_path=MAYBE,
    output_artifacts=st.lists(PRODUCED, max_size=50).map(tuple),
    output_artifacts_omitted=st.integers(0, 2**40),
    missing_artifacts=st.lists(TEXTS, max_size=50).map(tuple),
)
CONTROLS = st.none() | st.dictionaries(
    st.text(CHARACTERS, max_size=20), st.text(CHARACTERS, max_size=100), max_size=5
).filter(lambda control: len(status.encoded(control)) <= status.MAX_LOOP_CONTROL_BYTES)
STATUSES = st.builds(
    status.Status,
    provider=TEXTS,
    status=st.sampled_from(["succeeded", "failed", "cancelled"]),
    exit_code=INTS,
    started_at=TEXTS,
    finished_at=TEXTS,
    adapter=MAYBE,
    binary=MAYBE,
    args=st.lists(TEXTS, max_size=30).map(tuple),
    signal=MAYBE,
    artifacts=ARTIFACTS,
    thread_id=MAYBE,
    turn_id=MAYBE,
    model=MAYBE,
    effort=MAYBE,
    cwd=MAYBE,
    loop_control=CONTROLS,
    loop_control_error=MAYBE,
    error=MAYBE,
)


def made(**fields: Any) -> status.Status:
    stated = {
        "provider": "p",
        "status": "failed",
        "exit_code": 3,
        "started_at": "2026-01-02T03:04:05Z",
        "finished_at": "2026-01-02T03:04:06Z",
    }
    return status.Status(**{**stated, **fields})


def fitted(**fields: Any) -> dict[str, Any]:
    data = status.fit(made(**fields))
    assert len(data) < 4096
    value: dict[str, Any] = json.loads(data)
    return value


def produced(count: int, **fields: Any) -> tuple[status.Produced, ...]:
    return tuple(status.Produced(name=f"artifact-{n}", **fields) for n in range(count))


@given(STATUSES)
def test_every_status_fits_and_is_json(said: status.Status) -> None:
    data = status.fit(said)

    assert len(data) < 4096
    value = json.loads(data.decode())
    assert (said.status, said.exit_code) == (value["status"], value["exitCode"])
    assert said.loop_control is None or json.loads(status.encoded(said.loop_control)) == value.get(
        "loopControl"
    )


@given(STATUSES)
def test_nothing_is_left_out_uncounted(said: status.Status) -> None:
    value = json.loads(status.fit(said))

    listed = value.get("artifacts", {})
    artifacts = said.artifacts
    total = len(artifacts.output_artifacts) + artifacts.output_artifacts_omitted
    assert len(said.args) == len(value.get("args", [])) + value.get("argsOmitted", 0)
    assert total == len(listed.get("outputArtifacts", [])) + listed.get("outputArtifactsOmitted", 0)
    assert len(artifacts.missing_artifacts) == len(listed.get("missingArtifacts", [])) + listed.get(
        "missingArtifactsOmitted", 0
    )


def test_status_that_fits_stays_as_it_is() -> None:
    said = made(args=("a", "b"), error="e", artifacts=status.Artifacts(status_path="/s"))

    assert msgspec.json.encode(said) == status.fit(said)


def test_error_has_640_characters_at_most() -> None:
    assert "ä" * 639 + "…" == fitted(error="ä" * 641)["error"]
    assert "ä" * 640 == fitted(error="ä" * 640)["error"]


def test_arguments_are_cut_first() -> None:
    listed = status.Artifacts(output_artifacts=produced(2, url="https://example.com"))

    value = fitted(args=("short", "x" * 5000), artifacts=listed)

    assert ["short", "x" * 127 + "…"] == value["args"]
    assert "https://example.com" == value["artifacts"]["outputArtifacts"][1]["url"]


def test_as_many_arguments_as_fit_are_kept() -> None:
    value = fitted(args=tuple("x" * 100 for _ in range(100)))

    assert 100 == len(value["args"]) + value["argsOmitted"]
    one_more = made(args=tuple("x" * 100 for _ in range(len(value["args"]) + 1)), args_omitted=60)
    assert len(msgspec.json.encode(one_more)) >= 4096


@pytest.mark.parametrize("length", range(130))
def test_no_length_is_one_byte_too_long(length: int) -> None:
    # `fitted` looks at the size.
    value = fitted(args=("y" * length, *("x" * 97 for _ in range(50))))

    assert 30 < len(value["args"])


def test_worst_of_all_texts_fit() -> None:
    worst = "\x00" * 5000
    named = ("provider", "started_at", "finished_at", "adapter", "binary", "signal", "thread_id")
    texts = (*named, "turn_id", "model", "effort", "cwd", "loop_control_error", "error")
    listed = status.Artifacts(
        status_path=worst,
        log_path=worst,
        output_artifacts=(status.Produced(name=worst),),
        output_artifacts_omitted=2**63,
        missing_artifacts=(worst,),
    )

    value = fitted(
        **dict.fromkeys(texts, worst),
        args=(worst,),
        artifacts=listed,
        exit_code=-(2**63),
        loop_control={"x": "y" * (status.MAX_LOOP_CONTROL_BYTES - 8)},
    )

    assert status.MAX_LOOP_CONTROL_BYTES == len(status.encoded(value["loopControl"]))
    assert "\x00" * 20 in value["cwd"]


def test_urls_go_before_artifacts() -> None:
    listed = status.Artifacts(output_artifacts=produced(20, url="https://example.com/" + "u" * 200))

    value = fitted(args=("a",), artifacts=listed)

    assert 20 == len(value["artifacts"]["outputArtifacts"])
    assert not any("url" in artifact for artifact in value["artifacts"]["outputArtifacts"])
    assert 1 == value["argsOmitted"]


def test_artifacts_go_from_the_end_and_are_counted() -> None:
    listed = status.Artifacts(
        output_artifacts=produced(50, path="p" * 60, sha256="0" * 64), missing_artifacts=("m",)
    )

    value = fitted(artifacts=listed)["artifacts"]

    assert 15 < len(value["outputArtifacts"]) < 50
    assert "artifact-0" == value["outputArtifacts"][0]["name"]
    assert 50 == len(value["outputArtifacts"]) + value["outputArtifactsOmitted"]
    assert ["m"] == value["missingArtifacts"]


def test_text_is_never_cut_within_a_character() -> None:
    value = fitted(cwd="😀" * 5000, error="\x00" * 640)

    assert {"😀", "…"} == set(value["cwd"])
    assert {"\x00", "…"} == set(value["error"])


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (0, ("succeeded", 0, None, None)),
        (3, ("failed", 3, None, "the agent exited with exit code 3")),
        (-9, ("failed", 137, "SIGKILL", "the agent was terminated by SIGKILL")),
        (-40, ("failed", 168, "signal 40", "the agent was terminated by signal 40")),
    ],
)
def test_exit_code_is_that_of_the_agent(code: int, expected: tuple[Any, ...]) -> None:
    ended = status.ended(code)

    assert expected == (ended.status, ended.exit_code, ended.signal, ended.error)


@pytest.mark.parametrize(("code", "signal"), [(0, None), (1, None), (-15, "SIGTERM")])
def test_agent_that_was_to_end_is_cancelled_however_it_ended(code: int, signal: str | None) -> None:
    ended = status.ended(code, is_cancelled=True)

    assert ("cancelled", 143, signal) == (ended.status, ended.exit_code, ended.signal)
