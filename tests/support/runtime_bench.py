"""What the contract of runtimes is tested on: an adapter, its peer, and work for it."""

import abc
import asyncio
import dataclasses
import enum
import itertools
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from controllers.runs.runtimes.base import Key, Progress, Ref, Runtime, Stage, Work
from crds.admission import settings

NAMESPACE = "team"
_numbers = itertools.count(1)


class Behaviour(enum.StrEnum):
    """What a piece of work does."""

    SUCCEEDS = "succeeds"
    """It ends well, by itself and soon."""
    FAILS = "fails"
    """It ends badly, by itself and soon."""
    LASTS = "lasts"
    """It goes on until it is cancelled."""


@dataclasses.dataclass(frozen=True)
class Broken:
    """Work at a peer that does not do its part, as if it had been submitted."""

    adapter: Runtime
    work: Work
    ref: Ref


class Bench(abc.ABC):
    """An adapter under test.

    Attributes:
        patience_seconds: How long anything may take.
    """

    patience_seconds = 20.0

    @abc.abstractmethod
    def adapter(self) -> Runtime:
        """A fresh instance, as a controller has that has just started."""

    @abc.abstractmethod
    def spec(self, behaviour: Behaviour) -> dict[str, Any]:
        """A run's spec by which its work behaves so."""

    @abc.abstractmethod
    async def starts(self, key: Key) -> int:
        """How often work of this key was really started."""

    def provider(self, behaviour: Behaviour) -> dict[str, Any]:
        """The spec of an AgentProvider, likewise."""
        del behaviour
        return {"runner": {"command": "agent-runner"}}

    def broken(self) -> Mapping[str, Callable[[], Awaitable[Broken]]]:
        """Work at peers that are not what they should be, by what is wrong with them."""
        return {}

    def work(self, behaviour: Behaviour, *, attempt: int = 1) -> tuple[Key, Work]:
        """A piece of work that there was never before."""
        uid, run = str(uuid.uuid4()), f"run-{next(_numbers)}-{uuid.uuid4().hex[:6]}"
        piece = Work(
            namespace=NAMESPACE,
            run=run,
            uid=uid,
            attempt=attempt,
            spec={"agentRef": {"name": "coder"}, **self.spec(behaviour)},
            provider=self.provider(behaviour),
            run_json={
                "agentRun": {"name": run, "uid": uid, "namespace": NAMESPACE},
                "implementation": {"text": behaviour.value},
            },
            runner_json={"provider": "shell", "inputs": {"behaviour": behaviour.value}},
            pods=settings.Pods(image="runner"),
        )
        return f"{uid}/{attempt}", piece

    async def until(
        self, adapter: Runtime, ref: Ref, *stages: Stage
    ) -> tuple[Progress, list[Stage]]:
        """Ask until it stands so: the last progress, and the stages on the way, each once."""
        seen: list[Stage] = []
        async with asyncio.timeout(self.patience_seconds):
            while True:
                progress = await adapter.status(ref)
                ref = progress.ref or ref
                if not seen or seen[-1] is not progress.stage:
                    seen.append(progress.stage)
                if progress.stage in stages:
                    return progress, seen
                assert not progress.stage.is_ended, progress
                await asyncio.sleep(min(progress.requeue_after_seconds or 0.05, 0.05))
