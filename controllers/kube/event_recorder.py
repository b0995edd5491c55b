"""Events (events.k8s.io/v1) of a controller, as shown by `kubectl describe`. Shell: the cluster.

Pure functions build bodies and schedule the writes of a series; `Recorder` keeps the series and
sends them. Follows client-go's tools/events, with the spam filter of its tools/record.
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

from controllers.kube import clocks, errors, queue
from controllers.kube.client import Client
from controllers.kube.errors import JSON
from controllers.kube.http import limiter
from controllers.kube.resources import EVENTS, SUBDOMAIN, Resource
from controllers.kube.watch.projections import Key, Projection, Unreadable

_log = logging.getLogger(__name__)

EventType: TypeAlias = Literal["Normal", "Warning"]

# k8s.io/kubernetes/pkg/apis/core/validation/events.go; Go's len counts bytes.
_NOTE_BYTES: Final = 1024
_WORD_BYTES: Final = 128
_NAME_CHARACTERS: Final = 253
_QUALIFIED: Final = re.compile(r"([-a-z0-9.]+/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

# k8s.io/client-go/tools/record/events_cache.go: the spam filter and the cache size.
SPAM_RATE: Final = limiter.Rate(qps=1 / 300, burst=25)
MAX_KEPT: Final = 4096
# An event that failed twice is dropped: later ones are waiting, and nothing depends on them.
_MAX_ATTEMPTS: Final = 2
_DEADLINE_SECONDS: Final = 10.0
_CLOSE_SECONDS: Final = 5.0
# One call at a time is about a hundred events per second, too few for controllers of many objects.
_SENDERS: Final = 4


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Regarding:
    """The object of an event, whatever its resourceVersion."""

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
    """Write intervals of a series of repeated events.

    Attributes:
        patch_seconds: Interval between writes of the count; the first repeat is written
            immediately.
        finish_seconds: Without a repeat for this long, the next one is a new event.
        retry_seconds: Delay before the second and last attempt of a failed write.
    """

    patch_seconds: float = 10.0
    finish_seconds: float = 360.0
    retry_seconds: float = 10.0


@dataclasses.dataclass(slots=True)
class Series:
    """An event and its repeats.

    Attributes:
        event: Body of the first event.
        last: Time of the last repeat.
        observed: The same, by the monotonic clock.
        count: Number of occurrences.
        written: The count stored in the API server; 0 before the event is created.
        written_at: Time of that write.
        failures: Consecutive failed attempts.
        not_before: Earliest time of the next attempt.
    """

    event: JSON
    last: dt.datetime
    observed: float
    count: int = 1
    written: int = 0
    written_at: float = float("-inf")
    failures: int = 0
    not_before: float = float("-inf")

    @property
    def is_written(self) -> bool:
        """Whether the API server has the current count."""
        return self.count == self.written

    def body(self) -> JSON:
        """The event to create, including repeats that came before."""
        return {**self.event, **(self.changes() if self.count > 1 else {})}

    def changes(self) -> JSON:
        """The merge patch for an existing event; the API server refuses other changes."""
        last = clocks.micro_time(self.last)
        return {"series": {"count": self.count, "lastObservedTime": last}}

    def due_at(self, pace: Pace) -> float:
        """Return when to write it or, if it is written, to forget it."""
        if self.is_written:
            return self.observed + pace.finish_seconds
        if self.written <= 1:
            return self.not_before
        return max(self.not_before, self.written_at + pace.patch_seconds)


def regarding_of(value: Projection | Unreadable, resource: Resource) -> Regarding:
    """Return the reference to an object for its events."""
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
    """Build an event name from the object's name and a time, made valid for events.

    Args:
        name: Name of the object; a ClusterRole's may contain colons.
        nanoseconds: Since 1970; unique among the events of an object.
    """
    suffix = f".{nanoseconds:x}"
    max_characters = _NAME_CHARACTERS - len(suffix)
    if len(name) <= max_characters and SUBDOMAIN.fullmatch(name):
        return name + suffix
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower())[:max_characters].strip("-")
    return (plain or "event") + suffix


def clamped(text: str, max_bytes: int) -> str:
    """Truncate a text to a number of UTF-8 bytes, in whole characters."""
    return text.encode(errors="replace")[:max_bytes].decode(errors="ignore")


class _EventKey(NamedTuple):
    """Identifies a series; like client-go's eventKey, without the note."""

    regarding: Regarding
    type: EventType
    reason: str
    action: str


class Recorder:
    """Records events without blocking: ``async with recorder:`` runs the senders.

    Events that cannot be sent are logged and dropped. Needs create and patch on events.

    Args:
        client: Sends the events.
        controller: Reporting controller: a qualified name, such as ``example.dev/things``.
        instance: Reporting instance, such as the pod's name.
        pace: Write intervals.
        clock: Monotonic seconds.
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
        # Events of an object use the same queue, to keep their order.
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
        self._reported = ""
        self.dropped = 0
        """Number of events that were lost."""

    async def __aenter__(self) -> Self:
        self._senders = [
            asyncio.create_task(self._work(item), name="event recorder") for item in self._queues
        ]
        return self

    async def __aexit__(self, *error: object) -> None:
        """Send pending events, for a few seconds at most."""
        self._is_closed = True
        for item in self._queues:
            item.close()
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await asyncio.gather(*self._senders)
                for key, series in [*self._series.items()]:
                    if not series.is_written:
                        await self._send(key, series)
        except TimeoutError:
            _log.warning("events dropped: the API server was too slow during shutdown")
        self.dropped += sum(item.count for item in self._series.values() if not item.written)

    def event(
        self,
        regarding: Regarding,
        *,
        type: EventType = "Normal",  # noqa: A002 - the field's name
        reason: str,
        action: str,
        note: str,
    ) -> None:
        """Record an event; never blocks and never raises.

        A repeat within minutes, even with another note, increments the count of the first one's
        series. New events of an object are dropped after 25, until 5 minutes later; so are new
        events while thousands are pending.

        Args:
            regarding: The object.
            type: Warning for what needs attention.
            reason: Machine-readable reason: ``Started``; truncated to 128 bytes.
            action: What was done or attempted: ``Run``; truncated to 128 bytes.
            note: Human-readable message; truncated to 1024 bytes.
        """
        key = _EventKey(regarding, type, clamped(reason, _WORD_BYTES), clamped(action, _WORD_BYTES))
        now, series = self._clock(), self._series.get(key)
        if self._is_closed or (series is None and not self._has_room(regarding, now)):
            self.dropped += 1
            return
        if series is None:
            series = Series(self._body(key, note), last=self._now(), observed=now)
            self._series[key] = series
        else:
            series.count, series.last, series.observed = series.count + 1, self._now(), now
            self._series.move_to_end(key)
        self._queue(key).add(key, after_seconds=max(0.0, series.due_at(self._pace) - now))

    def _has_room(self, regarding: Regarding, now: float) -> bool:
        """Take a token of the object and reserve a series; return whether that succeeded.

        Only new events take a token: repeats are limited by their write interval.
        """
        bucket = self._buckets.pop(regarding, None) or limiter.Bucket.full(SPAM_RATE, now)
        is_spam = bucket.wait_seconds(now) > 0
        self._buckets[regarding] = bucket if is_spam else bucket.taken(now)
        if len(self._buckets) > MAX_KEPT:
            self._buckets.popitem(last=False)
        if not is_spam and len(self._series) >= MAX_KEPT:
            return self._forgets_oldest()
        return not is_spam

    def _forgets_oldest(self) -> bool:
        key, oldest = next(iter(self._series.items()))
        if not oldest.written:
            return False  # the API server is unavailable: drop the newest, like client-go
        self.dropped += oldest.count - oldest.written
        del self._series[key]
        return True

    def _body(self, key: _EventKey, note: str) -> JSON:
        regarding, when = key.regarding, self._now()
        nanoseconds = (when - _EPOCH) // dt.timedelta(microseconds=1) * 1000
        self._last_nanoseconds = max(nanoseconds, self._last_nanoseconds + 1)
        reference = {
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
                # The API server requires events of cluster-scoped objects in this namespace.
                "namespace": regarding.namespace or "default",
            },
            "eventTime": clocks.micro_time(when),
            "type": key.type,
            "reason": key.reason,
            "action": key.action,
            "note": clamped(note, _NOTE_BYTES),
            "regarding": {name: value for name, value in reference.items() if value},
            **self._reporter,
        }

    def _queue(self, key: _EventKey) -> queue.Queue[_EventKey]:
        return self._queues[hash(key.regarding) % _SENDERS]

    async def _work(self, due: queue.Queue[_EventKey]) -> None:
        while (key := await due.get()) is not None:
            try:
                await self._process(key)
            except Exception:  # noqa: BLE001 - must not lose later events as well
                _log.exception("event %s on %s dropped", key.reason, key.regarding)
                self._series.pop(key, None)
            finally:
                due.done(key)

    async def _process(self, key: _EventKey) -> None:
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
        count = series.count
        try:
            await self._write(series)
        except errors.AlreadyExistsError:
            # A seemingly failed attempt had succeeded; whether with its count is unknown.
            count = 1
        except errors.KubeError as error:
            self._note_failure(key, series, error)
            return
        series.written, series.written_at, series.failures = count, self._clock(), 0

    async def _write(self, series: Series) -> None:
        """Patch or create; an event that has expired (after an hour) is created again."""
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
        if _may_pass(error) and series.failures < _MAX_ATTEMPTS and not self._is_closed:
            series.not_before = self._clock() + self._pace.retry_seconds
            return
        # Missing permission to write events is logged once.
        level = logging.DEBUG if str(error) == self._reported else logging.WARNING
        _log.log(level, "event %s on %s dropped: %s", key.reason, key.regarding, error)
        self._reported = str(error)
        if series.written:
            # The next repeat writes the total count.
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
            return error.code >= 500  # noqa: PLR2004 - server errors
        case _:
            return False
