"""Names that follow from what they name, so that who makes a thing twice makes one. Pure."""

import functools
import hashlib
import re
from typing import Final

import crds
from crds import names
from schemagen import canonical
from schemagen.problems import JSON

GROUP: Final = crds.api.group

RUN_LABEL: Final = f"{GROUP}/run-uid"
"""On everything that is made for a run: its uid, which unlike its name is never too long."""
NAME_LABEL: Final = f"{GROUP}/agent-run"
AGENT_LABEL: Final = f"{GROUP}/agent"
KEY_ANNOTATION: Final = f"{GROUP}/key"
STEP_LABEL: Final = f"{GROUP}/step"
TOMBSTONE_LABEL: Final = f"{GROUP}/tombstone"
CANCELLED_ANNOTATION: Final = f"{GROUP}/cancelled"
"""On a Job that is suspended for good; one without is suspended by another, such as a queue."""
TTL_ANNOTATION: Final = f"{GROUP}/ttl-seconds"
"""On a Job: how many seconds it stays once its end is written down; 0 is for ever."""
JOB_LABEL: Final = "batch.kubernetes.io/job-name"
"""On a Job's pods, by the Job controller."""
FINALIZER: Final = f"{GROUP}/runtime"


@functools.lru_cache(maxsize=4096)
def of_key(key: str) -> str:
    """The name of what carries a piece of work out: ``run-`` and 20 characters of a hash."""
    return f"run-{names.short(key.encode())}"


def of_submission(agent: str, key: str) -> str:
    """The name of the run that ``agentctl run submit`` makes for an idempotency key."""
    prefix = re.sub(r"[^a-z0-9-]", "-", agent.lower())[:40].strip("-") or "run"
    return f"{prefix}-{names.short(canonical.dumps([agent, key]))}"


def digest(value: JSON) -> str:
    """SHA-256 of a value's canonical JSON, in hex."""
    return hashlib.sha256(canonical.dumps(value)).hexdigest()


def sha256(text: str) -> str:
    """SHA-256 of a text's UTF-8, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()
