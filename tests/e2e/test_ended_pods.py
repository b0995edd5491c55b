"""What a Job's pods reported: as they were followed, and asked for where that is not all."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from controllers import devcluster, kube, manager
from controllers.runs import caches, projections
from controllers.runs.runtimes.base import Ref, RuntimeFault, Stage, Work
from controllers.runs.runtimes.jobs.job import JobRuntime
from tests.support import accounts
from tests.support.run_platform import SECONDS, new_manager, new_place, running

pytestmark = pytest.mark.e2e

# A client that is not open: whoever asks by it fails.
NOBODY = kube.Client.from_kubeconfig("/none")


@pytest.fixture
async def failed(
    served_cluster: devcluster.Cluster, client: accounts.Admin
) -> AsyncIterator[tuple[manager.Manager, Ref]]:
    """A controller that followed a Job of two pods to its end."""
    place = await new_place(served_cluster, client, seconds="0.2", exit_code="3")
    await place.agent()
    controller = new_manager(place)
    async with running(controller):
        run = await place.run("fix", runtime={"type": "Job", "backoffLimit": 1})
        await place.until("fix")
        ref = ref_of(run)
        async with asyncio.timeout(SECONDS):
            while len(pods_of(controller.caches, ref)) < 2:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.05)
        yield controller, ref


def ref_of(run: kube.JSON) -> Ref:
    """The first attempt's Job."""
    metadata, name = run["metadata"], run["metadata"]["name"]
    work = Work(
        namespace=metadata["namespace"],
        run=name,
        uid=metadata["uid"],
        attempt=1,
        spec=run["spec"],
        provider={},
        run_json={},
        runner_json={},
    )
    nothing = caches.Caches(NOBODY, kube.Queue())
    return told_by(nothing).ref(f"{metadata['uid']}/1", work)


def pods_of(found: caches.Caches, ref: Ref) -> tuple[projections.Pod, ...]:
    return found.pods.by("job", str(kube.Key(ref.namespace, ref.name)))


def told_by(found: caches.Caches, client: kube.Client = NOBODY) -> JobRuntime:
    return JobRuntime(client, found.jobs, found.pods)


async def test_end_that_was_followed_is_told_without_asking(
    failed: tuple[manager.Manager, Ref], client: kube.Client
) -> None:
    controller, ref = failed

    told = await told_by(controller.caches).status(ref)

    assert told == await told_by(caches.Caches(client, kube.Queue()), client).status(ref)
    assert (told.stage, told.runner and told.runner["exitCode"]) == (Stage.FAILED, 3)


async def test_pods_are_asked_for_where_fewer_were_followed_than_the_job_counts(
    failed: tuple[manager.Manager, Ref], client: kube.Client
) -> None:
    controller, ref = failed
    found = controller.caches

    found.pods.drop(pods_of(found, ref)[0].key)

    with pytest.raises(RuntimeFault):
        await told_by(found).status(ref)
    assert (await told_by(found, client).status(ref)).stage is Stage.FAILED
