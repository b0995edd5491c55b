"""Reports are untrusted: for any content, the run ends with a reason and stays readable."""

import asyncio
import collections
import dataclasses
import datetime as dt
import json
import os
import pathlib
import tempfile
from typing import Any

import msgspec
import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

import crds
from controllers.agentctl.run.logs import pod_logs, workspace_logs
from controllers.runner import loop_control
from controllers.runs import json_access, projections, run_status
from controllers.runs.planner import planner
from controllers.runs.runtimes import custom, egress, outcomes, reports
from controllers.runs.runtimes.base import Progress, Ref, RuntimeFault, Stage
from controllers.runs.runtimes.local import launch, local, workspaces
from controllers.runs.runtimes.workflow import (
    condition_child,
    loops,
    step_transitions,
    workflow_files,
    workflow_state,
    workflow_steps,
)
from controllers.runs.work import work
from crds import hub
from schemagen import checking
from schemagen.schema import structural
from schemagen.versions.converter import Converter
from tests.support import depth, junk, objects, run_world
from tests.support.run_world import NOW

(RUN,) = (kind for kind in crds.api if kind.name == "AgentRun")
CHECKER = checking.of_version(RUN.hub)
CONVERTER = Converter(crds.api)
MAX_STATUS_BYTES = 400 * 1024
QUICK = settings(max_examples=depth.draws(50), deadline=None)


def assert_run_can_be_read(progress: Progress) -> None:
    """Check that the status is accepted by the API server and readable by all readers."""
    body = run_world.run(phase="Running", attempt=1)
    seen = run_world.observed(body, progress=progress)
    plan = planner.reconcile(seen, NOW)
    assert plan.state is not None
    status = run_status.written(plan.state, seen.run, NOW)
    assert status is not None

    text = json.dumps({**body, "status": status})

    assert len(text) < MAX_STATUS_BYTES
    whole = orjson.loads(text)
    assert whole == msgspec.json.decode(text)
    assert () == CHECKER.update_status(whole, body).causes
    assert json_access.is_plain(whole["status"], 40)
    projections.of(projections.Run, whole)
    old = CONVERTER.way(RUN, "v1beta1", "v1alpha1").plain(whole)
    back = CONVERTER.way(RUN, "v1alpha1", "v1beta1").plain(old)
    assert whole["status"] == back["status"]
    if progress.stage.is_ended:
        assert status["phase"] in {"Succeeded", "Failed", "Cancelled"}
        assert status["reason"]


@QUICK
@given(junk.BYTES, st.sampled_from([None, 0, 1, 137, -9]), st.booleans())
def test_report_of_a_process(data: bytes, code: int | None, is_cancelled: bool) -> None:  # noqa: FBT001 - drawn
    report = reports.read(data)
    said, files = reports.runner(report) or {}, reports.files(report)

    outcome = outcomes.of_process(outcomes.End(exit_code=code), said, is_cancelled=is_cancelled)

    assert_run_can_be_read(
        Progress(
            stage=outcome.stage,
            reason=outcome.reason,
            message=outcome.message,
            code=outcome.code,
            runner=report,
            artifacts=files.artifacts,
            missing_artifacts=files.missing,
            artifacts_omitted=files.omitted,
        )
    )


# --------------------------------------------------------------------------- steps and loops

LOOP = {
    "maxIterations": 3,
    "while": {"cel": "control.left > iteration", "control": {"onInvalid": "Fail"}},
}
STEPS = workflow_steps.read([{"name": "a", "loop": LOOP}, {"name": "b", "retry": {"limit": 1}}])
STATUS = structural.schema_of(hub.agentrun.AgentRun)["properties"]["status"]["properties"]
STAGES = st.sampled_from([*Stage])


def decided(state: Any, seen: dict[step_transitions.Piece, Progress]) -> workflow_steps.Decision:
    """A decision, with an answer to each condition."""
    answers: dict[loops.Question, bool | loops.ConditionError] = {}
    while True:
        try:
            return workflow_steps.decide(STEPS, 2, state, seen, now=NOW, rng=0.5, answers=answers)
        except loops.UnansweredError as unanswered:
            answers[unanswered.question] = answer(unanswered.question)


def answer(question: loops.Question) -> bool | loops.ConditionError:
    asked = json.loads(question.encoded())
    try:
        return condition_child.evaluate(asked["expression"], asked["control"], asked["iteration"])
    except ValueError as error:
        return loops.ConditionError(str(error))


@QUICK
@given(st.lists(st.tuples(junk.BYTES, STAGES), min_size=2, max_size=2), st.integers(1, 3))
def test_reports_of_steps(drawn: list[tuple[bytes, Stage]], looks: int) -> None:
    state = decided(None, {}).state
    known: dict[str, Any] = {}

    for _ in range(looks):
        seen = {}
        for piece in workflow_steps.under_way(state):
            data, stage = drawn[piece.index]
            report = reports.read(data)
            files = reports.files(report)
            seen[piece] = Progress(
                stage=stage,
                runner=report,
                artifacts=files.artifacts,
                missing_artifacts=files.missing,
                artifacts_omitted=files.omitted,
            )
        decision = decided(state, seen)
        state = decision.state
        together = workflow_files.merged(known, state["steps"], seen)
        known = workflow_files.remembered(together)
        assert_run_can_be_read(
            Progress(
                stage=decision.stage,
                reason=decision.reason,
                message=decision.message,
                workflow=state,
                artifacts=together.artifacts,
                missing_artifacts=together.missing,
                artifacts_omitted=together.omitted,
            )
        )


@QUICK
@given(
    objects.valid(STATUS["workflow"]) | objects.free_form(),
    st.dictionaries(st.integers(0, 3), STAGES),
)
def test_whatever_a_status_says_of_a_workflow_is_decided_upon(
    state: Any, stages: dict[int, Stage]
) -> None:
    pieces = workflow_steps.under_way(state)
    seen = {one: Progress(stage=stages.get(one.index, Stage.MISSING)) for one in pieces}

    decision = decided(state, seen)

    hub.agentrun.WorkflowStatus.model_validate(decision.state)
    assert [*decision.state["steps"]] == workflow_state.steps(decision.state, ["a", "b"])


def test_state_of_many_steps_finds_room() -> None:
    control = {"text": "x" * 16_000}
    iteration = {"index": 1, "phase": "Succeeded", "jobRef": {"name": "run-x" * 9, "uid": "u" * 36}}
    loop = {
        "currentIteration": 20,
        "completedIterations": 20,
        "lastControl": control,
        "iterations": [iteration] * 20,
    }
    step = {"name": "s", "message": "m" * 640, "loop": loop}

    for phase in ("Succeeded", "Running"):
        fitted = workflow_state.fitted([{**step, "phase": phase}] * 100)

        assert len(msgspec.json.encode(fitted)) <= workflow_state.MAX_STATE_BYTES
        assert {20} == {one["loop"]["completedIterations"] for one in fitted}


@QUICK
@given(junk.OBJECTS)
def test_condition_is_answered_or_has_none_whatever_the_control_file_holds(text: str) -> None:
    control = reports.loop_control({"loopControl": reports.read(text)})
    known: dict[loops.Question, bool | loops.ConditionError] = {}

    while True:
        try:
            found = loops.should_continue(LOOP, 1, control, known)
        except loops.ConditionError:
            return
        except loops.UnansweredError as unanswered:
            known[unanswered.question] = answer(unanswered.question)
        else:
            assert found in {(True, ""), (False, "ConditionFalse"), (False, "ControlMissing")}
            return


# ------------------------------------------------------------------------------------- endpoints


class _Endpoint(custom.Custom):
    """Responds as configured."""

    def __init__(self, answer: egress.Answer) -> None:
        self._answer = answer
        self._caller = self  # type: ignore[assignment]
        self._cancelled = collections.OrderedDict()

    async def call(self, *_: Any, **__: Any) -> egress.Answer:
        return self._answer


@QUICK
@given(junk.BYTES, st.sampled_from([200, 202, 404, 500]), st.booleans())
async def test_answers_of_endpoints(data: bytes, code: int, says_json: bool) -> None:  # noqa: FBT001 - drawn
    given_ = egress.Answer(origin="https://x", status=code, body=data, is_json=says_json)
    runtime = _Endpoint(given_)
    found = run_world.run({"runtime": {"type": "Custom", "custom": {"endpoint": "https://x/y"}}})
    ready = work.prepare(found, run_world.related(), 1)
    assert isinstance(ready, work.Ready)

    try:
        ref = await runtime.submit("uid-1/1", ready.work)
        progress = await runtime.status(ref)
    except RuntimeFault:
        return  # whatever an endpoint says, this is all that is raised

    assert_run_can_be_read(dataclasses.replace(progress, ref=ref))


# ------------------------------------------------------------------------- folders of this machine

ODD_FILES = st.sampled_from(["a folder", "a pipe", "a link to itself", "a link away", "nothing"])
CONTENTS: st.SearchStrategy[bytes | str] = junk.BYTES | ODD_FILES


def put(path: pathlib.Path, what: bytes | str) -> None:
    """Put something in the place of a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    match what:
        case bytes():
            path.write_bytes(what)
        case "a folder":
            (path / "x").mkdir(parents=True)
        case "a pipe":
            os.mkfifo(path)
        case "a link to itself":
            path.symlink_to(path.name)
        case "a link away":
            path.symlink_to("/etc/passwd")


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a number


@settings(max_examples=depth.draws(25), deadline=None)
@given(CONTENTS, CONTENTS, st.tuples(CONTENTS, CONTENTS, CONTENTS))
def test_whatever_is_in_a_folder_its_run_ends_and_the_folder_goes(
    status: bytes | str, log: bytes | str, ours: tuple[bytes | str, bytes | str, bytes | str]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        runtime = local.Local(root)
        piece = run_world.observed(run_world.run()).inputs
        assert isinstance(piece, work.Ready)
        ref = runtime.ref("uid-1/1", piece.work)
        place = workspaces.place(root, ref.namespace, ref.name)
        put(place.workspace / ".agent/status.json", status)
        put(place.workspace / ".agent/runner.log", log)
        for name, what in zip((launch.STARTED, launch.ENDED, launch.CANCELLED), ours, strict=True):
            put(place.path / name, what)
        before = descriptors()

        shown = asyncio.run(log_of(root))
        asyncio.run(seen_through(runtime, ref))

        assert before == descriptors()
        assert shown == (b"" if isinstance(log, str) else pod_logs.prefixed(log, ""))
        assert [] == [*place.path.parent.iterdir()]


async def seen_through(runtime: local.Local, ref: Ref) -> None:
    """Query, cancel, query again, and sweep."""
    await runtime.status(ref)
    await runtime.cancel(ref)
    progress = await runtime.status(ref)
    assert progress.stage.is_ended
    assert_run_can_be_read(progress)
    await runtime.sweep(workspaces.Limits(age=dt.timedelta(0), least_age=dt.timedelta(0)))
    await runtime.close()


async def log_of(root: pathlib.Path) -> bytes:
    """The output of `agentctl run logs`."""
    shown: list[bytes] = []
    run = projections.of(projections.Run, run_world.run(phase="Running", attempt=1))
    which = pod_logs.LogSelection(run.metadata.namespace, run.metadata.name)
    source = workspace_logs.Workspaces(root, which, shown.append)
    await source.finish(run)
    return b"".join(shown)


def test_folder_of_more_levels_than_a_path_can_have_goes(tmp_path: pathlib.Path) -> None:
    place = tmp_path / "team/run-x"
    deepest = place / "workspace"
    deepest.mkdir(parents=True)
    here = os.open(deepest, os.O_RDONLY)
    for _ in range(2100):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open("f", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)
    (deepest / "d/closed").mkdir(mode=0o500)
    (deepest / b"caf\xe9".decode(errors="surrogateescape")).touch()
    entry = workspaces.Place(place).entry()

    workspaces.delete(place)

    assert entry.size_bytes == 0
    assert [] == [*place.parent.iterdir()]


@settings(max_examples=depth.draws(30), deadline=None)
@given(CONTENTS)
def test_control_file_is_an_object_or_told_to_be_none(what: bytes | str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "control.json"
        put(path, what)
        before = descriptors()

        content, problem = loop_control.read(path)

        assert before == descriptors()
        assert (content is None) or (problem is None)
        assert ((content, problem) == (None, None)) is (what == "nothing")


@QUICK
@given(st.lists(junk.BYTES | st.just(b"2026-01-01T00:00:00.000000001Z x"), max_size=5))
def test_lines_of_logs_are_shown_once_whatever_is_in_them(lines: list[bytes]) -> None:
    cursor = pod_logs.Cursor()
    plain = [one.replace(b"\n", b"") for one in lines]

    first = [cursor.take(one) for one in plain]
    since = cursor.resume()

    assert all(one is None or isinstance(one, bytes) for one in first)
    assert since == "" or since.endswith("Z")
