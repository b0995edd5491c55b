"""Deterministic names, so that creation is idempotent. Pure."""

import functools
import hashlib
import re
from typing import Final

import crds
from crds import names
from schemagen import canonical
from schemagen.problems import JSON

GROUP: Final = crds.api.group
MANAGER: Final = "agents-controller"
"""Field manager of the controller, and its name in user agent and Events."""

RUN_LABEL: Final = f"{GROUP}/run-uid"
"""On all objects of a run: its UID, which unlike its name always fits a label."""
NAME_LABEL: Final = f"{GROUP}/agent-run"
AGENT_LABEL: Final = f"{GROUP}/agent"
KEY_ANNOTATION: Final = f"{GROUP}/key"
STEP_LABEL: Final = f"{GROUP}/step"
TOMBSTONE_LABEL: Final = f"{GROUP}/tombstone"
CANCELLED_ANNOTATION: Final = f"{GROUP}/cancelled"
"""On a Job that was cancelled; a suspended Job without it was suspended by another controller."""
TTL_ANNOTATION: Final = f"{GROUP}/ttl-seconds"
"""On a Job: seconds that it is kept after its end is recorded; 0 means forever."""
JOB_LABEL: Final = "batch.kubernetes.io/job-name"
"""On a Job's pods, set by the Job controller."""
FINALIZER: Final = f"{GROUP}/runtime"


@functools.lru_cache(maxsize=4096)
def of_key(key: str) -> str:
    """Return the name of an object that executes work: ``run-`` and a 20-character hash."""
    return f"run-{names.short(key.encode())}"


def of_submission(agent: str, key: str) -> str:
    """Return the name of the run that ``agentctl run submit`` creates for an idempotency key."""
    prefix = re.sub(r"[^a-z0-9-]", "-", agent.lower())[:40].strip("-") or "run"
    return f"{prefix}-{names.short(canonical.dumps([agent, key]))}"


def digest(value: JSON) -> str:
    """Return the SHA-256 of a value's canonical JSON, in hex."""
    return hashlib.sha256(canonical.dumps(value)).hexdigest()


def sha256(text: str) -> str:
    """Return the SHA-256 of a text's UTF-8, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()
