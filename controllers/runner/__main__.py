"""`agent-runner`: reads a spec, runs the agent, writes the status. Shell: connects the parts."""

import dataclasses
import datetime as dt
import math
import os
import pathlib
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence

import msgspec

from controllers.runner import (
    artifacts,
    errors,
    logs,
    loop_control,
    processes,
    prompts,
    spec,
    status,
    workspace,
)
from controllers.runner.adapters import codex_adapter, context, exec_adapter
from controllers.runner.errors import JSON

# sysexits.h: an internal error.
EX_SOFTWARE = 70
# Same as schemagen.cli.frame, which a runner need not load.
_TRACEBACK_VARIABLE = "KUBEWRIGHT_TRACEBACK"


def _utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


@dataclasses.dataclass(frozen=True, slots=True)
class _Report:
    """The parts of the status other than the outcome, as far as known."""

    provider: str
    status_path: pathlib.Path
    loop_control_path: pathlib.Path
    adapter: str | None = None
    log_path: pathlib.Path | None = None
    declared: tuple[spec.Artifact, ...] = ()


def main() -> int:
    """Run the agent given by the command line and the environment; return the exit code."""
    with processes.Signals() as signals:
        return run(sys.argv[1:], os.environ, signals)


def run(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    signals: processes.Signals,
    now: Callable[[], dt.datetime] = _utc_now,
) -> int:
    """Run an agent and write its status; return the exit code.

    Args:
        arguments: Command-line arguments without the program.
        environment: The runner's own, which is passed to the agent.
        signals: Reports requests to stop.
        now: The clock.
    """
    started = now()
    try:
        place = workspace.of(environment)
        workspace.prepare(place)
    except errors.RunnerError as error:
        # There is no directory for a status.
        logs.say(str(error))
        return error.exit_code
    report = _Report(
        environment.get("AGENT_PROVIDER", ""), place.status_path, place.loop_control_path
    )
    workspace.forget(report.status_path)
    try:
        stated = _spec(spec.locate(arguments, environment), place, environment)
        report = _reported(stated, place)
        workspace.forget(report.status_path)
        task = _task(stated, environment, place, report)
        if stated.artifacts and stated.artifacts.loop_control_path:
            # In a shared workspace, an earlier iteration may have left one.
            workspace.remove(report.loop_control_path)
        report = dataclasses.replace(report, declared=task.declared)
        outcome = _drive(
            stated,
            task,
            environment=environment,
            signals=signals,
            place=place,
            log_path=report.log_path or place.log_path,
        )
    except errors.RunnerError as error:
        outcome = status.failed(error.exit_code, str(error))
    except Exception as error:  # noqa: BLE001 - outermost handler: a status is always written
        if environment.get(_TRACEBACK_VARIABLE):
            traceback.print_exc()
        what = f"{type(error).__name__}: {error}"
        outcome = status.failed(EX_SOFTWARE, f"internal error of agent-runner: {what}")
    if outcome.error:
        logs.say(outcome.error)
    _tell(outcome, report, place, started, now())
    return outcome.exit_code


@dataclasses.dataclass(frozen=True, slots=True)
class _Task:
    """The parsed and validated inputs of the agent."""

    run: spec.Run
    aim: spec.Goal
    names: Mapping[str, JSON]
    system_prompt: str | None
    declared: tuple[spec.Artifact, ...]


def _reported(stated: spec.Spec, place: workspace.Workspace) -> _Report:
    written = stated.artifacts or spec.Artifacts()
    report = _Report(
        stated.provider,
        _own_path(place, written.status_path, place.status_path),
        place.inside(written.loop_control_path or str(place.loop_control_path)),
        stated.adapter.type,
        _own_path(place, written.log_path, place.log_path),
    )
    others = (report.status_path, report.log_path, place.run_path, place.spec_path)
    if report.loop_control_path in others:
        raise errors.SpecError(
            "expected a separate file for the loop control, got "
            f"{errors.quoted(str(report.loop_control_path))}, at artifacts.loopControlPath"
        )
    return report


def _own_path(
    place: workspace.Workspace, stated: str | None, default: pathlib.Path
) -> pathlib.Path:
    """Return the path of a runner's file: in the workspace, unless it has its own folder."""
    if place.folder is not None and not stated:
        return default
    return place.inside(stated or str(default))


def _task(
    stated: spec.Spec,
    environment: Mapping[str, str],
    place: workspace.Workspace,
    report: _Report,
) -> _Task:
    run_, run_path = _run_spec(environment, stated, place)
    codex = stated.adapter.codex
    aim = spec.goal(run_.goal, stated.goal, codex.goal if codex else None)
    names = spec.names(
        stated,
        aim,
        status_path=str(report.status_path),
        log_path=str(report.log_path),
        event_path=str(run_path),
    )
    return _Task(
        run_,
        aim,
        names,
        prompts.system_prompt(environment, run_, place),
        artifacts.rendered(spec.artifacts(stated), names),
    )


def _drive(
    stated: spec.Spec,
    task: _Task,
    *,
    environment: Mapping[str, str],
    signals: processes.Signals,
    place: workspace.Workspace,
    log_path: pathlib.Path,
) -> status.Outcome:
    grace_seconds = _number(environment, "AGENT_RUNNER_GRACE_SECONDS", processes.GRACE_SECONDS)
    max_bytes = int(_number(environment, "AGENT_RUNNER_LOG_MAX_BYTES", logs.MAX_LOG_BYTES))
    with logs.Tee(log_path, max_bytes=max_bytes, output=sys.stdout.fileno()) as tee:
        around = context.Context(
            place=place,
            environment=environment,
            names=task.names,
            signals=signals,
            tee=tee,
            grace_seconds=grace_seconds,
        )
        if stated.adapter.type == spec.EXEC:
            return exec_adapter.run(spec.command(stated), around)
        return codex_adapter.run(
            stated.adapter.codex or spec.Codex(),
            task.run,
            task.aim,
            system_prompt=task.system_prompt,
            around=around,
        )


def _spec(
    where: spec.Place, place: workspace.Workspace, environment: Mapping[str, str]
) -> spec.Spec:
    source, data = "AGENT_RUNNER_SPEC", (where.text or "").encode(errors="replace")
    if where.path is not None:
        # Relative to the working directory, as for any command.
        path = place.at(str(pathlib.Path(where.path).absolute()))
        source, data = str(path), workspace.read(path)
    return spec.with_variables(spec.decode(data, source), environment, source)


def _run_spec(
    environment: Mapping[str, str], stated: spec.Spec, place: workspace.Workspace
) -> tuple[spec.Run, pathlib.Path]:
    """Return the run, empty if none is given, and its path."""
    named = environment.get("AGENT_RUN_SPEC") or (stated.payloads or {}).get("eventFilePath")
    path = place.at(named) if named else place.run_path
    if not named and not path.exists():
        return spec.Run(), path
    return spec.decode_run(workspace.read(path), str(path)), path


def _number(environment: Mapping[str, str], name: str, default: float) -> float:
    text = environment.get(name) or str(default)
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise errors.UsageError(
            f"expected a number, 0 or more, in {name}, got {errors.quoted(text)}"
        )
    return number


def _tell(
    outcome: status.Outcome,
    report: _Report,
    place: workspace.Workspace,
    started: dt.datetime,
    finished: dt.datetime,
) -> None:
    log_path = None if report.log_path is None else str(report.log_path)
    written = status.Artifacts(status_path=str(report.status_path), log_path=log_path)
    control, control_error = loop_control.read(report.loop_control_path)
    final = status.Status(
        provider=report.provider,
        adapter=report.adapter,
        started_at=_stamp(started),
        finished_at=_stamp(finished),
        artifacts=written,
        loop_control=control,
        loop_control_error=control_error,
        **dataclasses.asdict(outcome),
    )
    try:
        # Written once before reading artifacts, which may take longer than the pod has left.
        workspace.publish(report.status_path, status.fit(final))
        collected = artifacts.report(report.declared, place, written)
        if collected != written:
            final = msgspec.structs.replace(final, artifacts=collected)
            workspace.publish(report.status_path, status.fit(final))
    except errors.RunnerError as error:
        logs.say(str(error))


def _stamp(moment: dt.datetime) -> str:
    """Format a metav1.Time, without fractions of a second."""
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


if __name__ == "__main__":
    sys.exit(main())
