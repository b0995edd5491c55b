"""Warning Events on Jobs and pods that do not start, with rate-limited lists. Shell: the cluster.

The API server has no cache and no index of Events: listing those of an object decodes all of its
namespace (measured with kube-apiserver 1.37: 3 s of its CPU for 30,000). So all Warnings of a
namespace are listed at once for all runs, less often the longer that takes.
"""

import datetime as dt
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from controllers import kube
from controllers.runs import views
from controllers.runs.runtimes import pod_states

MIN_AGE_SECONDS: Final = 4.0
"""Minimum age of a list before the next one."""
MAX_SHARE: Final = 0.05
"""Maximum share of the time spent on lists."""
MAX_NAMESPACES: Final = 100
MAX_WARNINGS: Final = 10_000

_log = logging.getLogger(__name__)


class Warnings:
    """The last Warning on each object of a namespace.

    Args:
        client: May list Events; without permission, or on failure, nothing new is known.
        now: Aware UTC time.
    """

    def __init__(self, client: kube.Client, now: Callable[[], dt.datetime]) -> None:
        self._client, self._now = client, now
        self._known: dict[str, dict[str, views.Waiting]] = {}
        self._due: dict[str, dt.datetime] = {}
        self._listing: set[str] = set()

    async def about(self, namespace: str, uids: Iterable[str]) -> views.Waiting | None:
        """Return the last known Warning on one of some objects.

        During a list of another caller, it is the previously known one.
        """
        due = self._due.get(namespace)
        if namespace not in self._listing and (due is None or self._now() >= due):
            await self._list(namespace)
        known = self._known.get(namespace, {})
        return next((known[uid] for uid in uids if uid in known), None)

    async def _list(self, namespace: str) -> None:
        self._listing.add(namespace)
        began = self._now()
        try:
            listed = await self._client.list(
                kube.EVENTS, namespace=namespace, fields="type=Warning"
            )
        except kube.KubeError as error:
            # A missing reason must not fail a run that does not start.
            _log.info("listing Warning Events of namespace %s failed: %s", namespace, error)
            self._keep(namespace, self._known.get(namespace, {}))
        else:
            self._keep(namespace, _latest(listed.items))
        finally:
            self._listing.discard(namespace)
            taken = (self._now() - began).total_seconds()
            pause = max(MIN_AGE_SECONDS, taken / MAX_SHARE)
            self._due[namespace] = self._now() + dt.timedelta(seconds=pause)

    def _keep(self, namespace: str, found: dict[str, views.Waiting]) -> None:
        """Store a list, dropping the least recently listed namespace beyond the limit."""
        self._known.pop(namespace, None)
        self._known[namespace] = found
        while len(self._known) > MAX_NAMESPACES:
            oldest = next(iter(self._known))
            del self._known[oldest]
            self._due.pop(oldest, None)


def _latest(events: Iterable[Mapping[str, Any]]) -> dict[str, views.Waiting]:
    """Return the last Warning by UID of its object; only of the newest beyond the limit."""
    last: dict[str, Mapping[str, Any]] = {}
    for event in sorted(events, key=pod_states.when)[-MAX_WARNINGS:]:
        regarding = event.get("regarding")
        uid = regarding.get("uid") if isinstance(regarding, Mapping) else None
        if isinstance(uid, str):
            last[uid] = event
    return {uid: pod_states.of_event(event) for uid, event in last.items()}
