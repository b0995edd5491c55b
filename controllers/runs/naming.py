"""Names that follow from what they name, so that who makes a thing twice makes one. Pure."""

import base64
import functools
import hashlib
import re
from typing import Final

import crds
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
JOB_LABEL: Final = "batch.kubernetes.io/job-name"
"""On a Job's pods, by the Job controller."""
FINALIZER: Final = f"{GROUP}/runtime"

_MOST_LABEL: Final = 63


@functools.lru_cache(maxsize=4096)
def of_key(key: str) -> str:
    """The name of what carries a piece of work out: ``run-`` and 20 characters of a hash."""
    return f"run-{_short(key)}"


def of_submission(agent: str, key: str) -> str:
    """The name of the run that ``agentctl run submit`` makes for an idempotency key."""
    prefix = re.sub(r"[^a-z0-9-]", "-", agent.lower())[:40].strip("-") or "run"
    return f"{prefix}-{_short(canonical.dumps([agent, key]).decode())}"


def label(value: str) -> str:
    """A value for a label: as it is, or its beginning with a hash where it is too long."""
    if len(value) <= _MOST_LABEL:
        return value
    return f"{value[: _MOST_LABEL - 21].rstrip('-.')}-{_short(value)}"


def digest(value: JSON) -> str:
    """SHA-256 of a value's canonical JSON, in hex."""
    return hashlib.sha256(canonical.dumps(value)).hexdigest()


def sha256(text: str) -> str:
    """SHA-256 of a text's UTF-8, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def _short(text: str) -> str:
    """100 bits of SHA-256: 20 characters that any name may have."""
    hashed = hashlib.sha256(text.encode()).digest()
    return base64.b32encode(hashed).decode().lower()[:20]
