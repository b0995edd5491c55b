"""Pod logs: requests, selection, and resuming after a disconnect. Pure."""

import dataclasses
import datetime as dt
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from controllers import kube
from controllers.kube import requests
from controllers.runs import naming, projections
from crds.admission.pods import pod_sources

_STARTED: Final = projections.POD_ENDED | {"Running"}


@dataclasses.dataclass(frozen=True)
class LogSelection:
    """Selects logs of a run.

    Attributes:
        step: Of a workflow; empty for all.
        attempt: From 1; 0 means the latest.
    """

    namespace: str
    name: str
    step: str = ""
    attempt: int = 0


class PodStatus(msgspec.Struct, frozen=True):
    """Tells whether the container has logs."""

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
        """Whether the log is complete."""
        return self.status.phase in projections.POD_ENDED

    @property
    def step(self) -> str:
        """The workflow step that it runs; empty if it is not of a workflow."""
        return self.metadata.labels.get(naming.STEP_LABEL, "")

    @property
    def job(self) -> str:
        """The name of its Job."""
        return self.metadata.labels.get(naming.JOB_LABEL, "")


def in_order(pods: Iterable[Pod]) -> list[Pod]:
    """Return the pods in order of creation."""
    return sorted(pods, key=lambda pod: (pod.metadata.creation_timestamp, pod.metadata.name))


def selector(run: projections.Run) -> str:
    """Return the label selector for the pods of a run."""
    return f"{naming.RUN_LABEL}={run.metadata.uid}"


def attempt_by_job(run: projections.Run) -> dict[str, int]:
    """Return the attempt per Job name, for a run without steps."""
    uid, latest = run.metadata.uid, max(run.status.attempt, 1)
    return {naming.of_key(f"{uid}/{attempt}"): attempt for attempt in range(1, latest + 1)}


def attempt_of(job: kube.JSON) -> int | None:
    """Return the run's attempt that a Job belongs to, from its key ``RUN-UID/ATTEMPT...``."""
    key = (job["metadata"].get("annotations") or {}).get(naming.KEY_ANNOTATION, "")
    _, _, rest = key.partition("/")
    attempt, _, _ = rest.partition("/")
    return int(attempt) if attempt.isdecimal() else None


def request(
    pod: Pod, *, follows: bool = False, is_timed: bool = False, since: str = ""
) -> kube.Request:
    """Return the request for the runner's log.

    Args:
        pod: The pod.
        follows: Whether the response ends only with the container.
        is_timed: Whether each line is prefixed with its timestamp.
        since: First timestamp in whole seconds; empty for the beginning.
    """
    plain = requests.get(
        projections.PODS, pod.metadata.name, namespace=pod.metadata.namespace, subresource="log"
    )
    query = {
        "container": pod_sources.CONTAINER,
        "follow": "true" if follows else "",
        "timestamps": "true" if is_timed else "",
        "sinceTime": since,
    }
    given = tuple((name, value) for name, value in query.items() if value)
    return kube.Request(plain.method, plain.path, given)


class Cursor:
    """Position in a log: lines that are sent again are not shown again."""

    def __init__(self) -> None:
        self._stamp = b""
        self._count = 0
        self._repeats = 0

    def resume(self) -> str:
        """Return the ``since`` to resume at; the lines of that second are sent again."""
        self._repeats = self._count
        return self._stamp.partition(b".")[0].rstrip(b"Z").decode() + "Z" if self._stamp else ""

    def take(self, line: bytes) -> bytes | None:
        """Return a line without its timestamp; None if it was shown before."""
        stamp, _, text = line.partition(b" ")
        if not _is_stamp(stamp):
            return line  # a message of the kubelet
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
    # RFC3339NanoFixed (k8s.io/kubernetes v1.37 pkg/kubelet/kuberuntime/logs): sorts by time.
    try:
        dt.datetime.fromisoformat(text.decode())
    except ValueError:
        return False
    return len(text) > len(b"2006-01-02")


def prefixed(text: bytes, step: str) -> bytes:
    """Prefix each line with its step, if there is one; add a missing final newline."""
    if not text:
        return b""
    whole = text if text.endswith(b"\n") else text + b"\n"
    if not step:
        return whole
    head = f"[{step}] ".encode()
    return b"".join(head + line + b"\n" for line in whole[:-1].split(b"\n"))


def known(run: kube.JSON) -> Iterator[str]:
    """Yield what a run's status says about it, if its logs are gone."""
    status = run.get("status") or {}
    reason = f" ({status['reason']})" if status.get("reason") else ""
    message = f": {status['message']}" if status.get("message") else ""
    yield f"phase: {status.get('phase') or 'Pending'}{reason}{message}"
    runner = status.get("runner") or {}
    fields = ("status", "exitCode", "signal", "error", "startTime", "completionTime")
    fields_reported = [f"{name} {runner[name]}" for name in fields if name in runner]
    if fields_reported:
        yield f"runner report: {', '.join(fields_reported)}"
    for artifact in status.get("artifacts") or ():
        where = artifact.get("url") or artifact.get("key") or artifact.get("path") or ""
        yield f"artifact {artifact['name']}: {where}"
