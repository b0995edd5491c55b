"""The runtime Job where Jobs and their pods are followed, on a real control plane."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator

import pytest

from controllers import devcluster, kube
from controllers.runs import caches, views
from controllers.runs.runtimes.base import Key, Ref, RuntimeFault, Stage, Work
from tests.support import job_bench
from tests.support.runtime_bench import NAMESPACE, Behaviour

pytestmark = pytest.mark.e2e

Followed = tuple[job_bench.JobBench, caches.Caches]


@pytest.fixture
async def followed(job_cluster: devcluster.Cluster) -> AsyncIterator[Followed]:
    async with job_bench.opened(job_cluster) as bench:
        found = caches.Caches(bench.client, kube.Queue(), NAMESPACE)
        following = [asyncio.create_task(one.run()) for one in found.reflectors()]
        yield bench, found
        for task in following:
            task.cancel()
        await asyncio.wait(following)


async def ended(bench: job_bench.JobBench, found: caches.Caches, key: Key, work: Work) -> Ref:
    """Submit, and follow to the end."""
    ref = await bench.adapter().submit(key, work)
    async with asyncio.timeout(bench.patience_seconds):
        while not is_followed_to_its_end(found, ref):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.05)
    return ref


def is_followed_to_its_end(found: caches.Caches, ref: Ref) -> bool:
    job = found.jobs.get(kube.Key(ref.namespace, ref.name))
    if job is None or job.ending is None:
        return False
    return len(pods_of(found, ref)) == job.status.failed


def pods_of(found: caches.Caches, ref: Ref) -> tuple[views.Pod, ...]:
    return found.pods.by("job", str(kube.Key(ref.namespace, ref.name)))


async def test_end_that_was_followed_is_told_without_asking(followed: Followed) -> None:
    bench, found = followed
    ref = await ended(bench, found, *bench.work(Behaviour.FAILS))
    nobody = kube.Client.from_kubeconfig("/none")

    told = await bench.following(found, nobody).status(ref)

    assert told == await bench.adapter().status(ref)
    assert (told.stage, told.runner and told.runner["exitCode"]) == (Stage.FAILED, 3)


async def test_pods_are_asked_for_where_fewer_were_followed_than_the_job_counts(
    followed: Followed,
) -> None:
    bench, found = followed
    key, work = bench.work(Behaviour.FAILS)
    runtime = {**work.spec["runtime"], "backoffLimit": 1}
    twice = dataclasses.replace(work, spec={**work.spec, "runtime": runtime})
    ref = await ended(bench, found, key, twice)
    one, _ = pods_of(found, ref)
    nobody = kube.Client.from_kubeconfig("/none")

    found.pods.drop(one.key)

    with pytest.raises((RuntimeFault, kube.KubeError)):
        await bench.following(found, nobody).status(ref)
    assert (await bench.following(found).status(ref)).stage is Stage.FAILED
