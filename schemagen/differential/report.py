"""``schemagen judge``: run a trial with a progress bar and report its results. Shell."""

import asyncio
import contextlib
import functools
import json
from collections.abc import AsyncIterator, Iterator, Sequence

import rich.console
import rich.progress

from schemagen import judge
from schemagen.differential import servers
from schemagen.differential.questions import Said, Server, Subject
from schemagen.differential.trial import Split, Tally, Trial, subjects
from schemagen.model import registry

# Entry point group of API server openers, named as on the command line.
SERVERS = "schemagen.servers"
_DEADLINE_SECONDS = 60.0


def run(apis: Sequence[registry.Api], count: int, seed: int, server: str) -> bool:
    """Generate ``count`` objects over all kinds and versions, and print how the verdicts compare.

    Returns:
        Whether any two judges differed.

    Raises:
        servers.NoServerError: if there is no opener for a server of that name.
        judge.JudgeError: if the in-process judge is unavailable.
    """
    return asyncio.run(_run(apis, count, seed, server))


async def _run(apis: Sequence[registry.Api], count: int, seed: int, server: str) -> bool:
    errors = rich.console.Console(stderr=True)
    all_subjects = [subject for api in apis for subject in subjects(api)]
    tallies: list[tuple[Subject, Tally]] = []
    with (
        judge.Judge(deadline_seconds=_DEADLINE_SECONDS) as oracle,
        progress_bar(errors) as progress,
    ):
        async with _opened(server) as opened:
            for subject, share in zip(all_subjects, _shares(count, len(all_subjects)), strict=True):
                bar = progress.add_task(str(subject), total=share)
                advance = functools.partial(progress.advance, bar)
                trial = Trial(oracle, opened, seed=seed, tell=advance)
                tallies.append((subject, await trial.run(subject, share)))
    output = rich.console.Console(soft_wrap=True, highlight=False)
    for line in lines(tallies, seed=seed, has_server=server != "none"):
        output.print(line, markup=False)
    return any(tally.verdicts or tally.words for _, tally in tallies)


def progress_bar(console: rich.console.Console) -> rich.progress.Progress:
    """Return a progress bar with the number of generated objects and the remaining time."""
    return rich.progress.Progress(
        "{task.description}",
        rich.progress.BarColumn(),
        rich.progress.MofNCompleteColumn(),
        rich.progress.TimeRemainingColumn(),
        console=console,
    )


def _shares(count: int, parts: int) -> list[int]:
    """Split a number into about equal, nonempty parts."""
    size, more = divmod(max(count, parts), parts)
    return [size + (index < more) for index in range(parts)]


@contextlib.asynccontextmanager
async def _opened(server: str) -> AsyncIterator[Server | None]:
    if server == "none":
        yield None
        return
    opens = servers.opener(SERVERS, server)
    async with contextlib.AsyncExitStack() as stack:
        try:
            opened = await stack.enter_async_context(opens())
        except Exception as error:
            raise servers.not_opened(server, error) from error
        yield opened


def lines(
    tallies: Sequence[tuple[Subject, Tally]], *, seed: int, has_server: bool
) -> Iterator[str]:
    """Return the report: differences, then a line for each kind and version, then the total."""
    for _, tally in tallies:
        for split in tally.splits:
            yield from _split(split)
    for subject, tally in tallies:
        yield (
            f"{subject}: {tally.asked} objects, {tally.allowed} accepted, "
            f"{tally.undecided} undecided, {tally.verdicts} different verdicts, {tally.words} "
            "different messages"
        )
    judges = "model, judge and API server" if has_server else "model and judge"
    total = sum(tally.asked for _, tally in tallies)
    verdicts = sum(tally.verdicts for _, tally in tallies)
    words = sum(tally.words for _, tally in tallies)
    yield (
        f"{total} objects, seed {seed}, compared in {judges}: {verdicts} different verdicts, "
        f"{words} different messages"
    )


def _split(split: Split) -> Iterator[str]:
    what = "verdicts" if split.is_verdict else "messages"
    yield f"{split.subject}: different {what} on {split.question.operation} of"
    yield f"  {json.dumps(split.question.value, ensure_ascii=False)}"
    if split.question.old is not None:
        yield f"  old: {json.dumps(split.question.old, ensure_ascii=False)}"
    for name, verdict in split.said.items():
        yield f"  {name}: {_verdict_text(verdict)}"


def _verdict_text(verdict: Said) -> str:
    if verdict.allowed:
        return "accepts it" + (", with rules undecided" if verdict.is_undecided else "")
    causes = "; ".join(f"{cause.field}: {cause.message}" for cause in verdict.causes)
    return f"refuses it: {causes or verdict.message}"
