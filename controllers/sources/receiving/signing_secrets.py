"""The signing secrets of sources, read by name and kept for a short time. Shell: the cluster."""

import asyncio
import dataclasses
import logging
import time
from collections.abc import Callable, Sequence
from typing import Final

from controllers import kube
from controllers.sources.source_view import KeyRef, Source

KEPT_SECONDS: Final = 60.0
# After a wrong signature a secret is read again: it may be a new one. Not more often than this.
RENEWED_SECONDS: Final = 5.0
# Sources may be deleted; the oldest are forgotten.
_MAX_KEPT: Final = 10_000
_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, slots=True)
class _Kept:
    values: tuple[bytes, ...]
    read_at: float


class SigningSecrets:
    """Reads the signing secrets of sources.

    Args:
        client: May get the Secrets.
        clock: Monotonic seconds.
    """

    def __init__(self, client: kube.Client, clock: Callable[[], float] = time.monotonic) -> None:
        self._client, self._clock = client, clock
        self._kept: dict[tuple[str, tuple[KeyRef, ...]], _Kept] = {}
        self._reading: dict[tuple[str, tuple[KeyRef, ...]], asyncio.Task[_Kept]] = {}

    async def of(self, source: Source, *, max_age_seconds: float = KEPT_SECONDS) -> Sequence[bytes]:
        """Return the active secrets of a source, without those that cannot be read.

        Args:
            source: Its source.
            max_age_seconds: How old they may be.
        """
        refs = source.spec.ingestion.webhook.signing_secret_refs
        key = (source.metadata.namespace, refs)
        kept = self._kept.get(key)
        if kept is None or self._clock() - kept.read_at >= max_age_seconds:
            if key not in self._reading:
                task = asyncio.create_task(self._read(source, refs, kept))
                self._reading[key] = task
                task.add_done_callback(lambda _: self._reading.pop(key, None))
            # A request that gives up does not end the read for the next one.
            kept = await asyncio.shield(self._reading[key])
        return [value for value in kept.values if value]

    async def _read(self, source: Source, refs: tuple[KeyRef, ...], kept: _Kept | None) -> _Kept:
        """Read the secrets; one that cannot be read now keeps its value."""
        before = kept.values if kept is not None else (b"",) * len(refs)
        values = [await self._value(source, *each) for each in zip(refs, before, strict=True)]
        read = _Kept(tuple(values), self._clock())
        self._kept[source.metadata.namespace, refs] = read
        if len(self._kept) > _MAX_KEPT:
            del self._kept[next(iter(self._kept))]
        return read

    async def _value(self, source: Source, ref: KeyRef, before: bytes) -> bytes:
        """Return a secret; empty if there is none."""
        namespace = source.metadata.namespace
        value = b""
        try:
            secret = await self._client.get(kube.SECRETS, ref.name, namespace=namespace)
            return kube.values_of(kube.SECRETS, secret)[ref.key]
        except KeyError:
            problem = f"expected the key {ref.key!r} in Secret {ref.name!r}, got none"
        except (kube.NotFoundError, kube.ForbiddenError) as error:
            problem = str(error)
        except kube.KubeError as error:
            # An API server that is away revokes nothing.
            value, problem = before, str(error)
        _log.warning("signing secret unavailable: %s", problem, extra={"source": str(source.key)})
        return value
