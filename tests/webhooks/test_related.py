"""What is kept of objects that rules ask for is bounded by its size."""

from typing import Any

import pytest

import crds
from controllers import kube
from webhooks import related


class Client:
    """Has every object, of some size, and counts how often it is asked."""

    def __init__(self, text: str) -> None:
        self.text, self.asked = text, 0

    async def get(self, resource: kube.Resource, name: str, **_: Any) -> dict[str, Any]:
        """An object."""
        self.asked += 1
        return {"kind": resource.kind, "metadata": {"name": name}, "spec": {"text": self.text}}


async def asked_again(text: str) -> tuple[int, int]:
    """How often ten agents are read twice, and how many of them are kept."""
    client: Any = Client(text)
    found = related.Related(client, crds.api, clock=lambda: 0.0)
    names = [("Agent", f"a{index}") for index in range(10)]
    for _ in range(2):
        for name in names:
            known = await found.read("team", [name])
            assert text == known[name]["spec"]["text"]  # type: ignore[index]
    return client.asked, len(found._known)  # noqa: SLF001 - what it keeps is its own


async def test_small_objects_are_read_once() -> None:
    assert (10, 10) == await asked_again("x")


async def test_objects_that_are_large_together_are_not_all_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(related, "MAX_KEPT_BYTES", 10_000)

    assert (20, 4) == await asked_again("x" * 2_000)
    assert (20, 0) == await asked_again("x" * 20_000)
