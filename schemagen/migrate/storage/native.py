"""A rewrite by Kubernetes' own StorageVersionMigration, watched until it ends. Shell.

Its controller (kube-controller-manager, since Kubernetes 1.37 by default) writes one object after
another and gives up at the first that is refused; the caller then looks for the others.
"""

import asyncio
import re
from collections.abc import Callable
from typing import Final

from schemagen.compat import clusters
from schemagen.migrate.requests.attempts import Attempts
from schemagen.migrate.requests.failures import Failure
from schemagen.migrate.storage import rewriting
from schemagen.problems import JSON, UserError

_GROUP: Final = "/apis/storagemigration.k8s.io/v1"
_PATH: Final = f"{_GROUP}/storageversionmigrations"
_QUERY: Final = (("fieldManager", rewriting.FIELD_MANAGER),)
_POLL_SECONDS: Final = 0.5
_LEFT: Final = re.compile(r"(\d+)/(\d+) (?:objects )?not yet migrated")


class NotServedError(UserError):
    """The cluster has no StorageVersionMigration."""


async def rewrite(
    attempts: Attempts, definition: JSON, advance: Callable[[str, int, int], None]
) -> str:
    """Let the cluster rewrite all objects; return why that failed, empty if it did not.

    Raises:
        NotServedError: if the cluster cannot.
    """
    await _require_served(attempts)
    name = f"{definition['metadata']['name']}-{definition['metadata']['generation']}"
    spec = definition["spec"]
    resource = {"group": spec["group"], "resource": spec["names"]["plural"]}
    body = {
        "apiVersion": "storagemigration.k8s.io/v1",
        "kind": "StorageVersionMigration",
        "metadata": {"name": name},
        "spec": {"resource": resource},
    }
    created = await attempts.send(clusters.Write("POST", _PATH, body, query=_QUERY), name)
    # After a kill, the one of the run before is watched.
    if created.value is None and created.failure is not Failure.CONFLICT:
        raise clusters.ClusterError(f"expected to create {name}, got: {created.cause}")
    message = await _ended(attempts, name, advance)
    await attempts.send(clusters.Write("DELETE", f"{_PATH}/{name}"), name)
    return message


async def _require_served(attempts: Attempts) -> None:
    try:
        await attempts.get_object(_GROUP, "storagemigration.k8s.io")
    except clusters.ClusterError as error:
        raise NotServedError(
            "expected storagemigration.k8s.io/v1 to be served for --native, got none (it is since "
            f"Kubernetes 1.37): leave --native out ({error.cause or error})"
        ) from error


async def _ended(attempts: Attempts, name: str, advance: Callable[[str, int, int], None]) -> str:
    done = 0
    while True:
        value = await attempts.get_object(f"{_PATH}/{name}", name)
        conditions = {
            condition["type"]: condition
            for condition in (value.get("status") or {}).get("conditions") or ()
        }
        left = _LEFT.search(conditions.get("Running", {}).get("message", ""))
        if left is not None:
            now = int(left[2]) - int(left[1])
            advance(f"native {name}", now - done, int(left[1]))
            done = now
        if conditions.get("Succeeded", {}).get("status") == "True":
            return ""
        if conditions.get("Failed", {}).get("status") == "True":
            return str(conditions["Failed"].get("message") or "no reason")
        await asyncio.sleep(_POLL_SECONDS)
