"""Events (events.k8s.io/v1) of what a controller does, as `kubectl describe` shows. Shell: cluster.

Pure functions make bodies, and say what a series of one and the same event is due; `Recorder` keeps
the series and sends. After client-go's tools/events, with the spam filter of its tools/record.
"""

import asyncio
import collections
import dataclasses
import datetime as dt
import logging
import re
import time
from collections.abc import Callable
from typing import Final, Literal, NamedTuple, Self, TypeAlias

from controllers.kube import clocks, errors, limiter, queue
from controllers.kube.client import Client
from controllers.kube.errors import JSON
from controllers.kube.projections import Key, Projection, Unreadable
from controllers.kube.resources import EVENTS, Resource

_log = logging.getLogger(__name__)

EventType: TypeAlias = Literal["Normal", "Warning"]

# k8s.io/kubernetes/pkg/apis/core/validation/events.go; Go's len counts bytes.
_NOTE_BYTES: Final = 1024
_WORD_BYTES: Final = 128
_NAME_CHARACTERS: Final = 253
_SUBDOMAIN: Final = re.compile(
    r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*", re.ASCII
)
_QUALIFIED: Final = re.compile(r"([-a-z0-9.]+/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

# k8s.io/client-go/tools/record/events_cache.go: the spam filter, and how much is kept.
SPAM_RATE: Final = limiter.Rate(qps=1 / 300, burst=25)
MOST_KEPT: Final = 4096
# An event that failed twice is dropped: those that follow wait for it, and nobody acts on them.
_MOST_ATTEMPTS: Final = 2
_DEADLINE_SECONDS: Final = 10.0
_CLOSE_SECONDS: Final = 5.0
# One call at a time is some hundred events a second, which a controller of many objects exceeds.
_SENDERS: Final = 4


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Regarding:
    """The object that an event is about; two versions of it are one."""

    api_version: str
    kind: str
    name: str
    namespace: str = ""
    uid: str = ""
    resource_version: str = dataclasses.field(default="", compare=False)

    def __str__(self) -> str:
        return f"{self.kind} {Key(self.namespace, self.name)}"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often a series of one and the same event is written.

    Attributes:
        patch_seconds: Between two counts that are written; the first repeat is written at once.
        finish_seconds: After so long without a repeat, the next one is a new event.
        retry_seconds: Before the second and last attempt of what failed.
    """

    patch_seconds: float = 10.0
    finish_seconds: float = 360.0
    retry_seconds: float = 10.0


@dataclasses.dataclass(slots=True)
class Series:
    """One event and how often it happened.

    Attributes:
        event: The first one's body.
        last: When it happened last.
        seen: The same by the clock that waits.
        count: How often it happened.
        written: The count that the API server knows; 0 is no event yet.
        written_at: When that was.
        failures: Attempts in a row that failed.
        not_before: When the next attempt may be.
    """

    event: JSON
    last: dt.datetime
    seen: float
    count: int = 1
    written: int = 0
    written_at: float = float("-inf")
    failures: int = 0
    not_before: float = float("-inf")

    @property
    def is_written(self) -> bool:
        """Whether the API server knows all of it."""
        return self.count == self.written

    def body(self) -> JSON:
        """The event as it is created: also where it happened again before it could be."""
        return {**self.event, **(self.changes() if self.count > 1 else {})}

    def changes(self) -> JSON:
        """The merge patch of an event that is there; the API server lets nothing else change."""
        last = clocks.micro_time(self.last)
        return {"series": {"count": self.count, "lastObservedTime": last}}

    def due_at(self, pace: Pace) -> float:
        """When it is to be written or, if it is, forgotten."""
        if self.is_written:
            return self.seen + pace.finish_seconds
        if self.written <= 1:
            return self.not_before
        return max(self.not_before, self.written_at + pace.patch_seconds)


def regarding_of(value: Projection | Unreadable, resource: Resource) -> Regarding:
    """What an event about an object says of it."""
    if isinstance(value, Unreadable):
        return Regarding(
            api_version=resource.api_version,
            kind=resource.kind,
            name=value.key.name,
            namespace=value.key.namespace,
            uid=value.uid,
            resource_version=value.resource_version,
        )
    return Regarding(
        api_version=resource.api_version,
        kind=resource.kind,
        name=value.metadata.name,
        namespace=value.metadata.namespace,
        uid=value.metadata.uid,
        resource_version=value.metadata.resource_version,
    )


def event_name(name: str, nanoseconds: int) -> str:
    """An event's name: the object's and an instant, cut and mended to a name that events may have.

    Args:
        name: The object's; that of a ClusterRole may hold colons.
        nanoseconds: Since 1970; no two events of one object have the same.
    """
    suffix = f".{nanoseconds:x}"
    most = _NAME_CHARACTERS - len(suffix)
    if len(name) <= most and _SUBDOMAIN.fullmatch(name):
        return name + suffix
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower())[:most].strip("-")
    return (plain or "event") + suffix


def clamped(text: str, most_bytes: int) -> str:
    """As much of a text as so many bytes of UTF-8 hold, in whole characters."""
    return text.encode(errors="replace")[:most_bytes].decode(errors="ignore")


class _EventKey(NamedTuple):
    """What makes two events one series; as client-go's eventKey, without the note."""

    regarding: Regarding
    type: EventType
    reason: str
    action: str


class Recorder:
    """Records events without making anybody wait: ``async with recorder:`` owns what sends them.

    What cannot be sent is logged and dropped. May create and patch events.

    Args:
        client: Sends.
        controller: Who reports: a qualified name, such as ``example.dev/things``.
        instance: Which of its replicas, such as the pod's name.
        pace: How often a series is written.
        clock: Seconds that never go back.
        now: Aware UTC time.
    """

    def __init__(
        self,
        client: Client,
        controller: str,
        instance: str,
        *,
        pace: Pace | None = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], dt.datetime] = clocks.utc_now,
    ) -> None:
        if not _QUALIFIED.fullmatch(controller) or not instance:
            raise ValueError(
                "expected a qualified name such as example.dev/things and an instance, got "
                f"{controller!r} and {instance!r}"
            )
        self._client = client
        self._reporter = {
            "reportingController": controller,
            "reportingInstance": clamped(instance, _WORD_BYTES),
        }
        self._pace, self._clock, self._now = pace or Pace(), clock, now
        # Events of one object go by one queue, in their order.
        self._queues: list[queue.Queue[_EventKey]] = [
            queue.Queue(clock=clock) for _ in range(_SENDERS)
        ]
        self._series: collections.OrderedDict[_EventKey, Series] = collections.OrderedDict()
        self._buckets: collections.OrderedDict[Regarding, limiter.Bucket] = (
            collections.OrderedDict()
        )
        self._last_nanoseconds = 0
        self._senders: list[asyncio.Task[None]] = []
        self._is_closed = False
        self._said = ""
        self.dropped = 0
        """How many events were recorded that nobody will see."""

    async def __aenter__(self) -> Self:
        self._senders = [
            asyncio.create_task(self._work(each), name="event recorder") for each in self._queues
        ]
        return self

    async def __aexit__(self, *error: object) -> None:
        """Send what is left, for some seconds at most."""
        self._is_closed = True
        for each in self._queues:
            each.close()
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await asyncio.gather(*self._senders)
                for key, series in [*self._series.items()]:
                    if not series.is_written:
                        await self._send(key, series)
        except TimeoutError:
            _log.warning("events are lost: the API server took too long at the end")
        self.dropped += sum(each.count for each in self._series.values() if not each.written)

    def event(
        self,
        regarding: Regarding,
        *,
        type: EventType = "Normal",  # noqa: A002 - the field's name
        reason: str,
        action: str,
        note: str,
    ) -> None:
        """Record that something happened; never waits and never raises.

        The same again within minutes, but for the note, counts up the first one's series. New
        events of one object are dropped after 25, until 5 minutes later; and so is what comes
        while thousands wait to be sent.

        Args:
            regarding: The object.
            type: Warning for what somebody should look at.
            reason: Why, as one word for machines: ``Started``; at most 128 bytes count.
            action: What was done or tried: ``Run``; at most 128 bytes count.
            note: A sentence; at most 1024 bytes count.
        """
        key = _EventKey(regarding, type, clamped(reason, _WORD_BYTES), clamped(action, _WORD_BYTES))
        now, series = self._clock(), self._series.get(key)
        if self._is_closed or (series is None and not self._has_room(regarding, now)):
            self.dropped += 1
            return
        if series is None:
            series = Series(self._body(key, note), last=self._now(), seen=now)
            self._series[key] = series
        else:
            series.count, series.last, series.seen = series.count + 1, self._now(), now
            self._series.move_to_end(key)
        self._queue(key).add(key, after_seconds=max(0.0, series.due_at(self._pace) - now))

    def _has_room(self, regarding: Regarding, now: float) -> bool:
        """Take a token of the object's, and room for a series; False where there is none.

        Only what makes a new event takes a token: repeats are few writes by their pace.
        """
        bucket = self._buckets.pop(regarding, None) or limiter.Bucket.full(SPAM_RATE, now)
        is_spam = bucket.wait_seconds(now) > 0
        self._buckets[regarding] = bucket if is_spam else bucket.taken(now)
        if len(self._buckets) > MOST_KEPT:
            self._buckets.popitem(last=False)
        if not is_spam and len(self._series) >= MOST_KEPT:
            return self._forgets_oldest()
        return not is_spam

    def _forgets_oldest(self) -> bool:
        key, oldest = next(iter(self._series.items()))
        if not oldest.written:
            return False  # the API server is away: the newest is dropped, as by client-go
        self.dropped += oldest.count - oldest.written
        del self._series[key]
        return True

    def _body(self, key: _EventKey, note: str) -> JSON:
        regarding, when = key.regarding, self._now()
        nanoseconds = (when - _EPOCH) // dt.timedelta(microseconds=1) * 1000
        self._last_nanoseconds = max(nanoseconds, self._last_nanoseconds + 1)
        named = {
            "apiVersion": regarding.api_version,
            "kind": regarding.kind,
            "namespace": regarding.namespace,
            "name": regarding.name,
            "uid": regarding.uid,
            "resourceVersion": regarding.resource_version,
        }
        return {
            "apiVersion": EVENTS.api_version,
            "kind": EVENTS.kind,
            "metadata": {
                "name": event_name(regarding.name, self._last_nanoseconds),
                # Of what has no namespace, the API server wants events there.
                "namespace": regarding.namespace or "default",
            },
            "eventTime": clocks.micro_time(when),
            "type": key.type,
            "reason": key.reason,
            "action": key.action,
            "note": clamped(note, _NOTE_BYTES),
            "regarding": {name: value for name, value in named.items() if value},
            **self._reporter,
        }

    def _queue(self, key: _EventKey) -> queue.Queue[_EventKey]:
        return self._queues[hash(key.regarding) % _SENDERS]

    async def _work(self, due: queue.Queue[_EventKey]) -> None:
        while (key := await due.get()) is not None:
            try:
                await self._look(key)
            except Exception:  # noqa: BLE001 - the next event is not to be lost as well
                _log.exception("event %s about %s is dropped", key.reason, key.regarding)
                self._series.pop(key, None)
            finally:
                due.done(key)

    async def _look(self, key: _EventKey) -> None:
        series = self._series.get(key)
        if series is None:
            return
        if series.due_at(self._pace) <= self._clock():
            if series.is_written:
                del self._series[key]
                return
            await self._send(key, series)
        if key in self._series:
            seconds = series.due_at(self._pace) - self._clock()
            self._queue(key).add(key, after_seconds=max(0.0, seconds))

    async def _send(self, key: _EventKey, series: Series) -> None:
        counted = series.count
        try:
            await self._write(series)
        except errors.AlreadyExistsError:
            # An attempt that seemed to fail had landed; whether with its count is not known.
            counted = 1
        except errors.KubeError as error:
            self._note_failure(key, series, error)
            return
        series.written, series.written_at, series.failures = counted, self._clock(), 0

    async def _write(self, series: Series) -> None:
        """Patch or create; an event that expired meanwhile (after an hour) is created anew."""
        metadata = series.event["metadata"]
        if series.written:
            try:
                await self._client.patch(
                    EVENTS,
                    metadata["name"],
                    series.changes(),
                    namespace=metadata["namespace"],
                    deadline_seconds=_DEADLINE_SECONDS,
                )
            except errors.NotFoundError:
                series.written = 0
            else:
                return
        await self._client.create(EVENTS, series.body(), deadline_seconds=_DEADLINE_SECONDS)

    def _note_failure(self, key: _EventKey, series: Series, error: errors.KubeError) -> None:
        series.failures += 1
        if _may_pass(error) and series.failures < _MOST_ATTEMPTS and not self._is_closed:
            series.not_before = self._clock() + self._pace.retry_seconds
            return
        # Who may not write events is told once.
        level = logging.DEBUG if str(error) == self._said else logging.WARNING
        _log.log(level, "event %s about %s is dropped: %s", key.reason, key.regarding, error)
        self._said = str(error)
        if series.written:
            # The next repeat tells the whole count.
            series.written, series.written_at = series.count, self._clock()
            series.failures = 0
        else:
            self.dropped += series.count
            self._series.pop(key, None)


def _may_pass(error: errors.KubeError) -> bool:
    match error:
        case errors.TooManyRequestsError() | errors.UnreachableError():
            return True
        case errors.ApiError():
            return error.code >= 500  # noqa: PLR2004 - HTTP's own border
        case _:
            return False
