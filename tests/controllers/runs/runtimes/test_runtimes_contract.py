"""The contract of runtimes, checked for each of them on its ``tests.support.NAME_bench``."""

import asyncio
import dataclasses
import importlib
import json
import pathlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from controllers import devcluster
from controllers.agentctl.controller import runtimes
from controllers.runs.runtimes.base import Code, Ref, RuntimeFault, Stage
from tests.support import job_bench
from tests.support.runtime_bench import Behaviour, Bench

UNDER_WAY = {Stage.PENDING, Stage.RUNNING}


@pytest.fixture(scope="module")
def without_runs() -> Iterator[devcluster.Cluster]:
    """If runs are served, garbage collection would delete Jobs of nonexistent runs."""
    with devcluster.Cluster(runs_jobs=True) as cluster:
        yield cluster


# Every runtime that a controller may have, and the other executor of Jobs.
NAMES = [*(kind.lower() for kind in runtimes.ADAPTERS if kind != "Job"), "local"]


@pytest.fixture(params=[*NAMES, pytest.param("job", marks=pytest.mark.e2e)])
def opening(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> Any:
    """Return the bench to open; a control plane starts outside of the event loop."""
    if request.param == "job":
        return job_bench.opened(request.getfixturevalue("without_runs"))
    return importlib.import_module(f"tests.support.{request.param}_bench").opened(tmp_path)


@pytest.fixture
async def bench(opening: Any) -> AsyncIterator[Bench]:
    async with opening as opened:
        yield opened


def rebuilt(ref: Ref, known: Ref) -> Ref:
    """Return the ref that a new controller builds from the run's status."""
    extra = json.loads(json.dumps(dict(known.extra)))
    return dataclasses.replace(
        ref, name=known.name, namespace=known.namespace, uid=known.uid, extra=extra
    )


async def test_ref_is_known_before_and_small(bench: Bench) -> None:
    key, work = bench.work(Behaviour.SUCCEEDS)
    adapter = bench.adapter()

    before, ref = adapter.ref(key, work), await adapter.submit(key, work)

    assert (before.type, before.key, before.name) == (ref.type, ref.key, ref.name)
    assert ref.type == adapter.type
    assert len(json.dumps(dict(ref.extra))) < 8192


async def test_nothing_is_missing(bench: Bench) -> None:
    key, work = bench.work(Behaviour.SUCCEEDS)
    adapter = bench.adapter()

    progress = await adapter.status(adapter.ref(key, work))

    assert Stage.MISSING is progress.stage
    assert 0 == await bench.starts(key)


async def test_work_goes_on_until_it_succeeds(bench: Bench) -> None:
    key, work = bench.work(Behaviour.SUCCEEDS)
    adapter = bench.adapter()

    ref = await adapter.submit(key, work)
    progress, seen = await bench.until(adapter, ref, Stage.SUCCEEDED)

    assert {*seen[:-1]} <= UNDER_WAY
    assert progress.code is None
    assert progress.requeue_after_seconds is None
    assert 1 == await bench.starts(key)


async def test_work_that_fails_says_whether_to_try_again(bench: Bench) -> None:
    key, work = bench.work(Behaviour.FAILS)
    adapter = bench.adapter()

    ref = await adapter.submit(key, work)
    progress, _ = await bench.until(adapter, ref, Stage.FAILED)

    assert isinstance(progress.code, Code)
    assert progress.reason.isalnum()
    assert progress.message
    assert len(progress.message) <= 640


async def test_work_under_way_says_when_there_may_be_news(bench: Bench) -> None:
    key, work = bench.work(Behaviour.LASTS)
    adapter = bench.adapter()

    ref = await adapter.submit(key, work)
    progress, _ = await bench.until(adapter, ref, Stage.RUNNING)

    # None is for what a watch tells.
    assert progress.requeue_after_seconds is None or 0 < progress.requeue_after_seconds <= 60
    await adapter.cancel(progress.ref or ref)


async def test_submission_by_a_known_key_starts_nothing(bench: Bench) -> None:
    key, work = bench.work(Behaviour.SUCCEEDS)

    refs = [await bench.adapter().submit(key, work) for _ in range(2)]
    await bench.until(bench.adapter(), refs[0], Stage.SUCCEEDED)
    refs.append(await bench.adapter().submit(key, work))

    assert 1 == len({(ref.name, ref.namespace, ref.uid) for ref in refs})
    assert 1 == await bench.starts(key)


async def test_submissions_at_the_same_time_start_one(bench: Bench) -> None:
    key, work = bench.work(Behaviour.SUCCEEDS)
    adapters = [bench.adapter(), bench.adapter()]

    refs = await asyncio.gather(*(each.submit(key, work) for each in adapters * 3))
    await bench.until(adapters[0], refs[0], Stage.SUCCEEDED)

    assert 1 == len({ref.name for ref in refs})
    assert 1 == await bench.starts(key)


async def test_attempts_are_apart(bench: Bench) -> None:
    key, work = bench.work(Behaviour.SUCCEEDS)
    second, adapter = dataclasses.replace(work, attempt=2), bench.adapter()
    second_key = f"{work.uid}/2"

    refs = [await adapter.submit(key, work), await adapter.submit(second_key, second)]
    for ref in refs:
        await bench.until(adapter, ref, Stage.SUCCEEDED)

    assert [1, 1] == [await bench.starts(key), await bench.starts(second_key)]


async def test_cancelled_work_ends(bench: Bench) -> None:
    key, work = bench.work(Behaviour.LASTS)
    adapter = bench.adapter()
    ref = await adapter.submit(key, work)
    before, _ = await bench.until(adapter, ref, Stage.RUNNING)
    ref = before.ref or ref

    await adapter.cancel(ref)
    _, seen = await bench.until(adapter, ref, Stage.CANCELLED)

    assert {*seen[:-1]} <= {Stage.CANCELLING}


async def test_cancelling_again_is_no_error(bench: Bench) -> None:
    key, work = bench.work(Behaviour.LASTS)
    adapter = bench.adapter()
    ref = await adapter.submit(key, work)
    await bench.until(adapter, ref, Stage.RUNNING)

    for _ in range(2):
        await adapter.cancel(ref)
    await bench.until(adapter, ref, Stage.CANCELLED)
    await adapter.cancel(ref)

    assert Stage.CANCELLED is (await adapter.status(ref)).stage


async def test_what_was_cancelled_before_does_not_start(bench: Bench) -> None:
    key, work = bench.work(Behaviour.SUCCEEDS)
    adapter = bench.adapter()
    ref = adapter.ref(key, work)

    await adapter.cancel(ref)
    _, seen = await bench.until(adapter, ref, Stage.CANCELLED)
    submitted = await adapter.submit(key, work)
    _, after = await bench.until(adapter, submitted, Stage.CANCELLED)

    assert {*seen[:-1], *after[:-1]} <= {Stage.CANCELLING}
    assert 0 == await bench.starts(key)


async def test_what_another_controller_cancelled_before_does_not_start(bench: Bench) -> None:
    key, work = bench.work(Behaviour.SUCCEEDS)
    one, other = bench.adapter(), bench.adapter()

    await one.cancel(one.ref(key, work))
    submitted = await other.submit(key, work)
    await bench.until(other, submitted, Stage.CANCELLED)

    assert 0 == await bench.starts(key)


async def test_cancelling_what_has_ended_changes_nothing(bench: Bench) -> None:
    key, work = bench.work(Behaviour.SUCCEEDS)
    adapter = bench.adapter()
    ref = await adapter.submit(key, work)
    progress, _ = await bench.until(adapter, ref, Stage.SUCCEEDED)
    ref = progress.ref or ref

    await adapter.cancel(ref)

    assert Stage.SUCCEEDED is (await adapter.status(ref)).stage


async def test_new_controller_sees_work_through(bench: Bench) -> None:
    key, work = bench.work(Behaviour.SUCCEEDS)
    ref = await bench.adapter().submit(key, work)
    adapter = bench.adapter()

    again = rebuilt(adapter.ref(key, work), ref)
    await bench.until(adapter, again, Stage.SUCCEEDED)

    assert 1 == await bench.starts(key)


async def test_new_controller_ends_what_another_started(bench: Bench) -> None:
    key, work = bench.work(Behaviour.LASTS)
    before = bench.adapter()
    ref = await before.submit(key, work)
    progress, _ = await bench.until(before, ref, Stage.RUNNING)
    adapter = bench.adapter()

    again = rebuilt(adapter.ref(key, work), progress.ref or ref)
    await adapter.cancel(again)
    _, seen = await bench.until(adapter, again, Stage.CANCELLED)

    assert {*seen[:-1]} <= {Stage.CANCELLING}


async def test_new_controller_need_not_know_the_whole_run_to_end_it(bench: Bench) -> None:
    key, work = bench.work(Behaviour.LASTS)
    before = bench.adapter()
    ref = await before.submit(key, work)
    progress, _ = await bench.until(before, ref, Stage.RUNNING)
    adapter = bench.adapter()
    # As of a run whose agent was deleted.
    bare = dataclasses.replace(
        work, spec={"agentRef": {"name": "coder"}}, provider={}, run_json={}, runner_json={}
    )

    again = rebuilt(adapter.ref(key, bare), progress.ref or ref)
    await adapter.cancel(again)

    await bench.until(adapter, again, Stage.CANCELLED)


async def test_peer_that_is_broken_gives_faults_with_codes(bench: Bench) -> None:
    for wrong, make in bench.broken().items():
        broken = await make()
        adapter, ref = broken.adapter, broken.ref

        for call in (
            adapter.submit(ref.key, broken.work),
            adapter.status(ref),
            adapter.cancel(ref),
        ):
            async with asyncio.timeout(bench.patience_seconds):
                with pytest.raises(RuntimeFault) as caught:
                    await call

            assert caught.value.code in Code, wrong
            assert 0 < len(caught.value.message) <= 1024, wrong
