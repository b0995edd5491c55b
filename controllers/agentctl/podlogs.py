"""Logs of pods: what to ask for, whose they are, and where to go on after a break. Pure."""

import dataclasses
import datetime as dt
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from controllers import kube
from controllers.kube import requests
from controllers.runs import naming, views
from crds.admission import effective_pod

_STARTED: Final = views.POD_ENDED | {"Running"}


@dataclasses.dataclass(frozen=True)
class Which:
    """Which logs.

    Attributes:
        step: Of a workflow; empty is all.
        attempt: From 1; 0 is the latest.
    """

    namespace: str
    name: str
    step: str = ""
    attempt: int = 0


class PodStatus(msgspec.Struct, frozen=True):
    """Whether its container has logs."""

    phase: str = ""


class Pod(kube.Projection, frozen=True):
    """A pod of a run."""

    status: PodStatus = PodStatus()

    @property
    def has_started(self) -> bool:
        """Whether there may be logs."""
        return self.status.phase in _STARTED

    @property
    def is_over(self) -> bool:
        """Whether there will be no more."""
        return self.status.phase in views.POD_ENDED

    @property
    def step(self) -> str:
        """The workflow's step that it carries out; empty if it is none."""
        return self.metadata.labels.get(naming.STEP_LABEL, "")

    @property
    def job(self) -> str:
        """The name of its Job."""
        return self.metadata.labels.get(naming.JOB_LABEL, "")


def in_order(pods: Iterable[Pod]) -> list[Pod]:
    """The pods as they were made."""
    return sorted(pods, key=lambda pod: (pod.metadata.creation_timestamp, pod.metadata.name))


def selector(run: views.Run) -> str:
    """Chooses the pods of a run."""
    return f"{naming.RUN_LABEL}={run.metadata.uid}"


def attempt_by_job(run: views.Run) -> dict[str, int]:
    """The attempt that each Job of a run without steps is of, by its name."""
    uid, most = run.metadata.uid, max(run.status.attempt, 1)
    return {naming.of_key(f"{uid}/{attempt}"): attempt for attempt in range(1, most + 1)}


def attempt_of(job: kube.JSON) -> int | None:
    """The run's attempt that a Job is of, by its key ``RUN-UID/ATTEMPT...``."""
    key = (job["metadata"].get("annotations") or {}).get(naming.KEY_ANNOTATION, "")
    _, _, rest = key.partition("/")
    attempt, _, _ = rest.partition("/")
    return int(attempt) if attempt.isdecimal() else None


def request(
    pod: Pod, *, follows: bool = False, is_timed: bool = False, since: str = ""
) -> kube.Request:
    """Read the runner's log.

    Args:
        pod: Whose.
        follows: Whether the answer ends only with the container.
        is_timed: Whether each line begins with its instant.
        since: An instant in whole seconds to begin at; empty is the beginning.
    """
    plain = requests.get(
        views.PODS, pod.metadata.name, namespace=pod.metadata.namespace, subresource="log"
    )
    query = {
        "container": effective_pod.CONTAINER,
        "follow": "true" if follows else "",
        "timestamps": "true" if is_timed else "",
        "sinceTime": since,
    }
    given = tuple((name, value) for name, value in query.items() if value)
    return kube.Request(plain.method, plain.path, given)


class Cursor:
    """How far a log was read: of lines that come again, none is shown again."""

    def __init__(self) -> None:
        self._stamp = b""
        self._count = 0
        self._repeats = 0

    def resume(self) -> str:
        """Where to go on, as ``since``; the lines of that second come again."""
        self._repeats = self._count
        return self._stamp.partition(b".")[0].rstrip(b"Z").decode() + "Z" if self._stamp else ""

    def take(self, line: bytes) -> bytes | None:
        """A line without its timestamp; None for one that was shown before."""
        stamp, _, text = line.partition(b" ")
        if not _is_stamp(stamp):
            return line  # the kubelet's own words
        if stamp < self._stamp:
            return None
        if stamp > self._stamp:
            self._stamp, self._count, self._repeats = stamp, 0, 0
        elif self._repeats:
            self._repeats -= 1
            return None
        self._count += 1
        return text


def _is_stamp(text: bytes) -> bool:
    # RFC3339NanoFixed in k8s.io/kubernetes v1.37 pkg/kubelet/kuberuntime/logs: its order is time's.
    try:
        dt.datetime.fromisoformat(text.decode())
    except ValueError:
        return False
    return len(text) > len(b"2006-01-02")


def prefixed(text: bytes, step: str) -> bytes:
    """Lines with the name of their step before each, if there is one; the last one is ended."""
    if not text:
        return b""
    whole = text if text.endswith(b"\n") else text + b"\n"
    if not step:
        return whole
    head = f"[{step}] ".encode()
    return b"".join(head + line + b"\n" for line in whole[:-1].split(b"\n"))


def known(run: kube.JSON) -> Iterator[str]:
    """What a run's status says where its logs are gone."""
    status = run.get("status") or {}
    reason = f" ({status['reason']})" if status.get("reason") else ""
    message = f": {status['message']}" if status.get("message") else ""
    yield f"it is {status.get('phase') or 'Pending'}{reason}{message}"
    runner = status.get("runner") or {}
    fields = ("status", "exitCode", "signal", "error", "startTime", "completionTime")
    told = [f"{name} {runner[name]}" for name in fields if name in runner]
    if told:
        yield f"its runner reported: {', '.join(told)}"
    for one in status.get("artifacts") or ():
        where = one.get("url") or one.get("key") or one.get("path") or ""
        yield f"artifact {one['name']}: {where}"
