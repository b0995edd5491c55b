"""Warning Events on Jobs and pods that do not start, with rate-limited lists. Shell: the cluster.

The API server has no cache and no index of Events: listing those of an object decodes all of its
namespace (with 5,000 waiting runs such lists took 3 s each, and two fifths of the CPU of
kube-apiserver 1.37). So all Warnings of a namespace are listed at once for all runs, less often the
longer that takes.
"""

import dataclasses
import datetime as dt
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from controllers import kube
from controllers.runs import projections
from controllers.runs.runtimes.jobs import pod_states

MIN_AGE_SECONDS: Final = 4.0
"""Minimum age of a list before the next one."""
MAX_SHARE: Final = 0.05
"""Maximum share of the time spent on lists."""
MAX_NAMESPACES: Final = 100
"""Beyond these, the one that nobody has asked about for longest is dropped."""
MAX_WARNINGS: Final = 10_000

_log = logging.getLogger(__name__)


@dataclasses.dataclass
class _Namespace:
    """Cached Warnings of a namespace.

    Attributes:
        warnings: The last Warning by UID of its object.
        due: When to list again; None before the first list.
        is_listing: Whether a caller is listing now.
    """

    warnings: Mapping[str, projections.Waiting] = dataclasses.field(default_factory=dict)
    due: dt.datetime | None = None
    is_listing: bool = False


class Warnings:
    """The last Warning on each object of a namespace.

    Args:
        client: May list Events; without permission, or on failure, nothing new is known.
        now: Aware UTC time.
    """

    def __init__(self, client: kube.Client, now: Callable[[], dt.datetime]) -> None:
        self._client, self._now = client, now
        self._namespaces: dict[str, _Namespace] = {}

    async def about(self, namespace: str, uids: Iterable[str]) -> projections.Waiting | None:
        """Return the last known Warning on one of some objects.

        During a list of another caller, it is the previously known one.
        """
        known = self._namespaces.pop(namespace, _Namespace())
        self._namespaces[namespace] = known
        if len(self._namespaces) > MAX_NAMESPACES:
            self._namespaces.pop(next(iter(self._namespaces)))
        if not known.is_listing and (known.due is None or self._now() >= known.due):
            await self._list(namespace, known)
        return next((known.warnings[uid] for uid in uids if uid in known.warnings), None)

    async def _list(self, namespace: str, known: _Namespace) -> None:
        known.is_listing, began = True, self._now()
        try:
            listed = await self._client.list(
                kube.EVENTS, namespace=namespace, fields="type=Warning"
            )
            known.warnings = _latest(listed.items)
        except kube.KubeError as error:
            # A missing reason must not fail a run that does not start.
            _log.info("listing Warning Events of namespace %s failed: %s", namespace, error)
        finally:
            known.is_listing, ended = False, self._now()
            pause = max(MIN_AGE_SECONDS, (ended - began).total_seconds() / MAX_SHARE)
            known.due = ended + dt.timedelta(seconds=pause)


def _latest(events: Iterable[Mapping[str, Any]]) -> dict[str, projections.Waiting]:
    """Return the last Warning by UID of its object; only of the newest beyond the limit."""
    last: dict[str, Mapping[str, Any]] = {}
    for event in sorted(events, key=_when)[-MAX_WARNINGS:]:
        regarding = event.get("regarding")
        uid = regarding.get("uid") if isinstance(regarding, Mapping) else None
        if isinstance(uid, str):
            last[uid] = event
    return {uid: _waiting(event) for uid, event in last.items()}


def _waiting(event: Mapping[str, Any]) -> projections.Waiting:
    """Return why nothing has started, from a Warning (events.k8s.io/v1) on a Job or pod."""
    return projections.Waiting(
        pod_states.word(str(event.get("reason") or ""), "Warning"), str(event.get("note") or "")
    )


def _when(event: Mapping[str, Any]) -> str:
    """Return when an Event was last seen, in RFC 3339, from one of three fields."""
    series = event.get("series") or {}
    time = series.get("lastObservedTime") or event.get("deprecatedLastTimestamp")
    return str(time or event.get("eventTime") or "")
