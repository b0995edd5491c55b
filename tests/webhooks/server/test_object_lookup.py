"""The cache of related objects is bounded by size."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

import crds
from controllers import kube
from schemagen import Facts
from webhooks import routing
from webhooks.server import object_lookup


class Client:
    """Has every object, with a size, and counts reads."""

    def __init__(self, text: str) -> None:
        self.text, self.asked = text, 0

    async def get(self, resource: kube.Resource, name: str, **_: Any) -> dict[str, Any]:
        """Return an object."""
        self.asked += 1
        return {"kind": resource.kind, "metadata": {"name": name}, "spec": {"text": self.text}}


async def asked_again(text: str) -> tuple[int, int]:
    """How often ten agents are read in two passes, and how many of them are cached."""
    client: Any = Client(text)
    found = object_lookup.Related(client, crds.api, clock=lambda: 0.0)
    names = [("Agent", f"a{index}") for index in range(10)]
    for _ in range(2):
        for name in names:
            known = await found.read("team", [name])
            assert text == known[name]["spec"]["text"]  # type: ignore[index]
    return client.asked, len(found._known)  # noqa: SLF001 - what it keeps is its own


async def test_small_objects_are_read_once() -> None:
    assert (10, 10) == await asked_again("x")


async def test_objects_whose_being_there_decides_are_read_each_time() -> None:
    client: Any = Client("x")
    found = object_lookup.Related(client, crds.api, clock=lambda: 0.0)

    for _ in range(2):
        await found.read("team", [("AgentRun", "holder")])

    assert 2 == client.asked


async def test_objects_that_are_large_together_are_not_all_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(object_lookup, "MAX_CACHED_BYTES", 10_000)

    assert (20, 4) == await asked_again("x" * 2_000)
    assert (20, 0) == await asked_again("x" * 20_000)


def run(**spec: Any) -> bytes:
    """A review of a new run."""
    value = {
        "apiVersion": f"{crds.api.group}/v1beta1",
        "kind": "AgentRun",
        "metadata": {"name": "fix", "namespace": "team"},
        "spec": {"agentRef": {"name": "coder"}, "runtime": {"type": "Job"}, **spec},
    }
    request = {
        "uid": "1",
        "kind": {"group": crds.api.group, "version": "v1beta1", "kind": "AgentRun"},
        "operation": "CREATE",
        "namespace": "team",
        "object": value,
    }
    review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
    return json.dumps(review).encode()


AGENT = {"spec": {"providerRef": {"name": "shell"}}}
PROVIDER = {"spec": {"workload": {"image": "attacker.example.net/miner"}}}


@pytest.mark.parametrize(
    ("agent", "reads", "refused"),
    [
        (
            AGENT,
            [[("Agent", "coder")], [("AgentProvider", "shell")]],
            ["AgentProvider shell: spec.workload.image"],
        ),
        (None, [[("Agent", "coder")]], []),
    ],
)
async def test_what_an_object_refers_to_is_read_after_it(
    agent: Any, reads: list[Any], refused: list[str]
) -> None:
    asked = []

    async def read(_: str, names: Sequence[object_lookup.Name]) -> dict[object_lookup.Name, Any]:
        asked.append([*names])
        objects = {("Agent", "coder"): agent, ("AgentProvider", "shell"): PROVIDER}
        return {name: objects[name] for name in names}

    settings = {"policy": {"images": {"allowed": ["registry.example.com/*"]}}}
    paths = routing.routes(crds.api, lambda: Facts(settings=settings), read)
    answer: Any = await routing.answer(paths["/validate"], run())  # type: ignore[misc]

    status = json.loads(answer.body)["response"].get("status") or {"details": {"causes": []}}
    assert reads == asked
    assert refused == [
        one["message"].partition(": expected")[0] for one in status["details"]["causes"]
    ]
