"""Reads Secrets and ConfigMaps that objects name, one by one. Shell: reads of the cluster."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from controllers import kube
from controllers.readiness.references import SECRET, Denied
from crds.admission import patterns
from schemagen.problems import JSON

Values: TypeAlias = Mapping[str, bytes] | Denied | None
"""The values of a Secret or ConfigMap by key; None if it does not exist."""


class ValueReader:
    """Reads by name: no right to list Secrets is needed, and none is cached.

    Args:
        client: May get the objects, or is refused.
        secrets: Patterns of NAMESPACE/NAME of the Secrets that may be read: others are not asked
            for, because the API server would refuse it each time.
    """

    def __init__(self, client: kube.Client, secrets: Sequence[str]) -> None:
        self._client, self._secrets = client, tuple(secrets)

    async def values(self, namespace: str, kind: str, name: str) -> Values:
        """Return the values of an object."""
        if kind == SECRET and not patterns.matching([f"{namespace}/{name}"], self._secrets):
            return Denied.DENIED
        resource = kube.SECRETS if kind == SECRET else kube.CONFIG_MAPS
        try:
            found = await self._client.get(resource, name, namespace=namespace)
        except (kube.NotFoundError, kube.AddressError):
            return None
        except kube.ForbiddenError:
            return Denied.DENIED
        data = found.get("data") or {}
        if kind == SECRET:
            return {key: _decoded(text) for key, text in data.items()}
        binary = found.get("binaryData") or {}
        plain = {key: (text or "").encode() for key, text in data.items()}
        return {**plain, **{key: _decoded(text) for key, text in binary.items()}}


def _decoded(text: JSON) -> bytes:
    """Decode a value; Go marshals an empty byte slice as null."""
    try:
        return base64.b64decode(text or "", validate=True)
    except (binascii.Error, ValueError):
        return b""
