"""Whatever the API server may legally hand out is read: built-in kinds drawn from its OpenAPI."""

import asyncio
import dataclasses
import json
import random
from typing import Any

import msgspec
import pytest

from controllers import devcluster, kube, ledger
from controllers.agentctl.explain import explanation, explanation_output
from controllers.agentctl.run.logs import pod_logs
from controllers.kube.watch.projections import Decoder
from controllers.ledger import encoding
from controllers.runs import caches, naming, projections, run_status
from controllers.runs.planner import planner
from controllers.runs.references import work_records
from controllers.runs.runtimes.base import Ref
from controllers.runs.runtimes.jobs import job
from crds.v1beta1.agentrun import AgentRun
from tests.support import builtin_draws, run_world

pytestmark = pytest.mark.e2e

NUMBER = 150
SEED = 20
STARTED = "2026-11-28T12:00:00Z"
GROUP_VERSIONS = (
    *("api/v1", "apis/batch/v1"),
    *("apis/events.k8s.io/v1", "apis/coordination.k8s.io/v1"),
)
JOB = "io.k8s.api.batch.v1.Job"
POD = "io.k8s.api.core.v1.Pod"
CONFIG_MAP = "io.k8s.api.core.v1.ConfigMap"
LEASE = "io.k8s.api.coordination.v1.Lease"
EVENT = "io.k8s.api.events.v1.Event"


@pytest.fixture(scope="module")
def documents(api_server: devcluster.Cluster) -> dict[str, kube.JSON]:
    """OpenAPI by group and version."""

    async def read() -> dict[str, kube.JSON]:
        async with kube.Client.from_kubeconfig(api_server.admin_kubeconfig) as client:
            paths = [f"/openapi/v3/{name}" for name in GROUP_VERSIONS]
            return {
                path: json.loads(await client.body(kube.Request("GET", path))) for path in paths
            }

    return asyncio.run(read())


def drawn(documents: dict[str, kube.JSON], name: str) -> list[kube.JSON]:
    """Objects of a kind."""
    document = next(one for one in documents.values() if name in one["components"]["schemas"])
    draws = builtin_draws.Draws(document, random.Random(SEED))  # noqa: S311 - no secrets
    return [draws.object(name) for _ in range(NUMBER)]


@pytest.mark.parametrize(
    ("name", "view"),
    [
        (POD, projections.Pod),
        (POD, pod_logs.Pod),
        (POD, projections.Named),
        (JOB, projections.Job),
        (CONFIG_MAP, projections.Named),
        ("io.k8s.api.core.v1.Secret", projections.Named),
        ("io.k8s.api.core.v1.Namespace", projections.Named),
        ("io.k8s.api.core.v1.Node", projections.Named),
        (EVENT, projections.Named),
        (LEASE, projections.Named),
    ],
)
def test_each_object_is_read_from_events_lists_and_by_itself(
    documents: dict[str, kube.JSON], name: str, view: type[kube.Projection]
) -> None:
    decoder, objects = Decoder(view), drawn(documents, name)
    body = {"metadata": {"resourceVersion": "9", "continue": None}, "items": objects}

    page = decoder.page(msgspec.json.encode(body), "GET /odd")

    assert ((), NUMBER) == (page.unreadable, len(page.items))
    for one, listed in zip(objects, page.items, strict=True):
        line = msgspec.json.encode({"type": "MODIFIED", "object": one})
        seen = decoder.event(line, "GET /odd")
        assert seen is not None
        assert listed == seen.object == kube.view_of(view, one)


async def test_run_has_a_status_whatever_its_job_and_pods_say(
    documents: dict[str, kube.JSON],
) -> None:
    class Client:
        async def list(self, *_: Any, **__: Any) -> Any:
            return kube.Listing((), "1")

        async def patch(self, *_: Any, **__: Any) -> Any:
            return {}

    client: Any = Client()
    pods, jobs = drawn(documents, POD), drawn(documents, JOB)
    for number, (pod, given) in enumerate(zip(pods, jobs, strict=True)):
        starting = run_world.run(None, phase="Starting", attempt=1, startTime=STARTED)
        seen = run_world.observed(starting, has_slot=number % 2 == 0)
        assert seen.ref is not None
        ref = dataclasses.replace(seen.ref, namespace="team")
        known = caches.Caches(client, kube.Queue())
        known.jobs.put(projections.of(projections.Job, _owned(given, ref)))
        known.pods.put(projections.of(projections.Pod, _labelled(pod, ref)))
        runtime = job.JobRuntime(client, known.jobs, known.pods)

        progress = await runtime.status(ref)
        plan = planner.reconcile(
            dataclasses.replace(seen, ref=ref, progress=progress), run_world.NOW
        )

        if plan.state is not None:
            status = run_status.written(plan.state, seen.run, run_world.NOW)
            AgentRun.model_validate({**starting, "status": status})


def _owned(given: kube.JSON, ref: Ref) -> kube.JSON:
    """A Job that is the run's own, whatever else it says."""
    metadata = {
        **given["metadata"],
        "name": ref.name,
        "annotations": {naming.KEY_ANNOTATION: ref.key},
        "labels": None,
        "ownerReferences": [{**projections.owner("fix", "uid-1"), "controller": True}],
    }
    return {**given, "metadata": metadata}


def _labelled(given: kube.JSON, ref: Ref) -> kube.JSON:
    labels = {naming.JOB_LABEL: ref.name}
    return {**given, "metadata": {**given["metadata"], "labels": labels}}


def test_explanation_tells_of_any_events_and_lease(documents: dict[str, kube.JSON]) -> None:
    events = drawn(documents, EVENT)
    for lease in drawn(documents, LEASE):
        seen = explanation.Observed(
            run=run_world.run(), now=run_world.NOW, events=events, lease=lease
        )
        found = explanation.explain(seen)

        assert json.dumps(explanation_output.as_json(found))
        assert explanation_output.as_text(found, run_world.NOW)


async def test_any_config_map_is_a_ledger_and_a_record_or_is_said_to_be_none(
    documents: dict[str, kube.JSON],
) -> None:
    class Client:
        async def get(self, *_: Any, **__: Any) -> kube.JSON:
            return one

    client: Any = Client()
    for one in drawn(documents, CONFIG_MAP):
        with pytest.raises(ledger.CorruptError):
            encoding.read(one)
        with pytest.raises(kube.AnswerError):
            await work_records.Records(client, "home").read("uid/1")
        assert encoding.limits(one) is None
