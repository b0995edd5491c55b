"""Loop conditions are evaluated outside of this process, and within limits."""

import asyncio
import json
import resource
import time

import pytest

from controllers.runs.runtimes.workflow import conditions, loops


def question(expression: str, **control: object) -> loops.Question:
    return loops.Question(expression, json.dumps(control).encode(), 1)


def bomb(levels: int, length: int) -> str:
    """A text that doubles at each level; CEL counts one iteration for each."""
    return f"['{'a' * length}']" + ".map(x, x + x)" * levels + ".size() > 0"


def most_bytes() -> int:
    """Return the peak memory of this process and its children."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return max(resource.getrusage(kind).ru_maxrss for kind in kinds) * 1024


@pytest.mark.parametrize(
    ("expression", "expected"),
    [("control.left > iteration", True), ("control.left < iteration", False)],
)
async def test_condition_has_an_answer(*, expression: str, expected: bool) -> None:
    assert expected is await conditions.evaluate(question(expression, left=2))


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("control.left", "expected true or false, got 2"),
        ("control.gone", "gone"),
        ("control.", "Syntax error"),
        ("control.left > 1 &&" + " " * 1000, "condition 'control.left > 1 &&.*…': "),
        ("['" + "x" * 900 + "'].map(x, x + x + x)[0]", "expected true or false, got x{100}$"),
    ],
)
async def test_condition_without_an_answer_says_why(expression: str, words: str) -> None:
    with pytest.raises(loops.ConditionError, match=words):
        await conditions.evaluate(question(expression, left=2))


@pytest.mark.parametrize("expression", [bomb(24, 100), bomb(23, 300), bomb(22, 1300)])
async def test_condition_that_takes_gigabytes_ends_at_its_limit(expression: str) -> None:
    with pytest.raises(loops.ConditionError, match="within 256 MiB of memory and 2 s, got none"):
        await conditions.evaluate(question(expression))

    assert most_bytes() < 800 * 1024**2


async def test_condition_that_takes_long_holds_up_nobody() -> None:
    nested = "[" + ",".join(["1"] * 90) + "]"
    slow = f"{nested}.all(a, {nested}.all(b, {nested}.all(c, {nested}.all(d, a + b + c + d > 0))))"
    # Of this thread alone: how long others had the processor does not count.
    longest, last = 0.0, time.thread_time()
    asking = asyncio.gather(
        *(conditions.evaluate(question(slow)) for _ in range(4)), return_exceptions=True
    )
    async with asyncio.timeout(300):
        while not asking.done():
            await asyncio.sleep(0.01)
            longest, last = max(longest, time.thread_time() - last), time.thread_time()

    assert all(isinstance(one, loops.ConditionError) for one in await asking)
    assert longest < 1.0
