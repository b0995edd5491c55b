"""Implements ``schemagen migrate``. Shell."""

import asyncio
import contextlib
import dataclasses
import json
import pathlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TypeVar

import typer

from schemagen.cli import frame
from schemagen.compat import clusters, findings, progress, sources
from schemagen.migrate.requests import attempts
from schemagen.migrate.storage import plan as plans
from schemagen.migrate.storage import state, steps
from schemagen.migrate.storage.installed import Installed
from schemagen.migrate.storage.plan import Goal, Plan, StepName
from schemagen.problems import JSON, UserError

_T = TypeVar("_T")


@dataclasses.dataclass(frozen=True)
class Connection:
    """How to reach the cluster.

    Attributes:
        kubeconfig: The file; None for kubectl's.
        context: Of the kubeconfig; None for the current one.
        rate: Maximum number of requests per second; 0 for no limit.
        patience_seconds: How long to wait for what is away.
    """

    kubeconfig: pathlib.Path | None
    context: str | None
    rate: float = 0
    patience_seconds: float = 600


class _GoalError(UserError):
    """The options contradict each other."""


def goal(to: str, drop: Sequence[str], until: str | None) -> Goal:
    """Return the goal that options describe."""
    if until is not None and until not in {*StepName}:
        names = ", ".join(StepName)
        raise typer.BadParameter(f"expected --until to be one of {names}, got {until}")
    if until in plans.DROPS and not drop:
        raise typer.BadParameter(f"expected --drop VERSION with --until {until}, got none")
    return Goal(to, tuple(drop), StepName(until) if until else StepName.REMOVE)


def check_output(output: str) -> None:
    """Refuse an unknown format."""
    if output not in {"text", "json"}:
        raise typer.BadParameter(f"expected --output to be text or json, got {output}")


def plan(name: str, goal: Goal, crds: str | None, connection: Connection, output: str) -> int:
    """Write the plan; return the exit code."""
    new = _new(crds, name)

    async def read(tries: attempts.Attempts) -> Plan:
        return plans.plan(await Installed(tries, name).read(), goal, new)

    made = _connected(connection, read)
    if output == "json":
        typer.echo(json.dumps(_plan_json(name, goal, made), indent=2))
    else:
        _show_plan(name, made)
    return 1 if made.refusals else 0


def run(
    name: str,
    goal: Goal,
    crds: str | None,
    connection: Connection,
    options: steps.Options,
    output: str,
) -> int:
    """Execute the migration and write what it did; return the exit code."""
    new = _new(crds, name)
    with progress.bars() as advance:

        async def execute(tries: attempts.Attempts) -> steps.Report:
            migration = steps.Migration(
                tries, name, goal, options, new=new, tell=_tell, advance=advance
            )
            return await migration.run()

        report = _connected(connection, execute)
    _show(name, goal, report, output)
    return 1 if report.is_failed else 0


def verify(name: str, goal: Goal, connection: Connection, output: str) -> int:
    """Look for what is left of other versions and write it; return the exit code."""
    with progress.bars() as advance:

        async def execute(tries: attempts.Attempts) -> steps.Report:
            options = steps.Options()
            migration = steps.Migration(tries, name, goal, options, tell=_tell, advance=advance)
            return await migration.verify()

        report = _connected(connection, execute)
    _show(name, goal, report, output)
    return 1 if report.is_failed else 0


def origin(name: str, connection: Connection) -> str:
    """Return the storage version before the last migration, to which a rollback returns."""

    async def read(tries: attempts.Attempts) -> JSON:
        return await Installed(tries, name).read()

    known = state.of(_connected(connection, read))
    if known is None:
        raise _GoalError(
            f"expected the annotation {state.ANNOTATION} of a migration in {name}, got none: give "
            "the version to return to by --to"
        )
    return known.origin


def _connected(connection: Connection, act: Callable[[attempts.Attempts], Awaitable[_T]]) -> _T:
    """Run something with a connection to the cluster."""

    async def connected() -> _T:
        async with _attempts(connection) as tries:
            return await act(tries)

    try:
        return asyncio.run(connected())
    except ExceptionGroup as group:
        raise _first(group) from group


@contextlib.asynccontextmanager
async def _attempts(connection: Connection) -> AsyncIterator[attempts.Attempts]:
    opener = clusters.opened_for_writing(
        connection.context, connection.rate, kubeconfig=connection.kubeconfig
    )
    async with opener as cluster:
        yield attempts.Attempts(cluster, patience_seconds=connection.patience_seconds, tell=_tell)


def _first(error: BaseException) -> BaseException:
    """Return the first error of a group of tasks: the others only follow from it."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _new(reference: str | None, name: str) -> JSON | None:
    if reference is None:
        return None
    known = sources.by_name(sources.read_all(reference))
    if name not in known:
        names = ", ".join(known) or "none"
        raise _GoalError(f"expected {name} among the CRDs of {reference}, got {names}")
    return known[name].value


# ------------------------------------------------------------------------------------------ output


def _tell(line: str) -> None:
    frame.complain("schemagen", line)


def _show_plan(name: str, made: Plan) -> None:
    typer.echo(f"{name}: objects are read and written as {made.through}")
    for number, step in enumerate(made.steps, 1):
        mark = "done" if step.is_done else "next" if step is made.next else "to do"
        typer.echo(f"{number}. {step.name:8} {mark:6} {step.title}")
        for refusal in step.refusals:
            typer.echo(f"   refused: {refusal.reason}; {refusal.remedy}")


def _show(name: str, goal: Goal, report: steps.Report, output: str) -> None:
    if output == "json":
        value = {
            "executed": [{"step": step, **counts} for step, counts in report.executed],
            "findings": [
                {
                    "rule": one.rule,
                    "level": one.level,
                    "subject": one.subject,
                    "message": one.message,
                }
                for one in report.findings
            ],
            "plan": None if report.plan is None else _plan_json(name, goal, report.plan),
        }
        typer.echo(json.dumps(value, indent=2))
        return
    text = findings.rendered(
        report.findings,
        findings.Format.TEXT,
        command="schemagen migrate",
        passed=[],
        rules=steps.RULES,
    )
    typer.echo(text, nl=False)
    for step, counts in report.executed:
        told = ", ".join(f"{count:g} {what}" for what, count in counts.items())
        typer.echo(f"{step}: {told}")
    if report.plan is not None and report.plan.next is None:
        typer.echo(f"{name}: done")


def _plan_json(name: str, goal: Goal, made: Plan) -> JSON:
    return {
        "crd": name,
        "to": goal.target,
        "drop": [*goal.drop],
        "through": made.through,
        "steps": [
            {
                "name": step.name,
                "title": step.title,
                "done": step.is_done,
                "refusals": [dataclasses.asdict(refusal) for refusal in step.refusals],
            }
            for step in made.steps
        ],
    }
