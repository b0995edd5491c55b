"""Whatever the API server may legally hand out is read: built-in kinds drawn from its OpenAPI."""

import asyncio
import json
import random
from typing import Any

import msgspec
import pytest

from controllers import devcluster, kube, ledger
from controllers.agentctl import explanation, podlogs
from controllers.kube.projections import Decoder
from controllers.ledger import stored
from controllers.runs import records, views
from tests.support import builtin_draws, run_world

pytestmark = pytest.mark.e2e

NUMBER = 150
SEED = 20
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
        (POD, views.Pod),
        (POD, podlogs.Pod),
        (POD, views.Named),
        (JOB, views.Job),
        (CONFIG_MAP, views.Named),
        ("io.k8s.api.core.v1.Secret", views.Named),
        ("io.k8s.api.core.v1.Namespace", views.Named),
        ("io.k8s.api.core.v1.Node", views.Named),
        (EVENT, views.Named),
        (LEASE, views.Named),
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


def test_explanation_tells_of_any_events_and_lease(documents: dict[str, kube.JSON]) -> None:
    events = drawn(documents, EVENT)
    for lease in drawn(documents, LEASE):
        seen = explanation.Observed(
            run=run_world.run(), now=run_world.NOW, events=events, lease=lease
        )
        found = explanation.explain(seen)

        assert json.dumps(explanation.as_json(found))
        assert explanation.as_text(found, run_world.NOW)


async def test_any_config_map_is_a_ledger_and_a_record_or_is_said_to_be_none(
    documents: dict[str, kube.JSON],
) -> None:
    class Client:
        async def get(self, *_: Any, **__: Any) -> kube.JSON:
            return one

    client: Any = Client()
    for one in drawn(documents, CONFIG_MAP):
        with pytest.raises(ledger.CorruptError):
            stored.read(one)
        with pytest.raises(kube.AnswerError):
            await records.Records(client, "home").read("uid/1")
        assert stored.limits(one) is None
