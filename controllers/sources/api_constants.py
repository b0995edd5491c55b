"""Names that sources write to objects, and the closed sets of words of their metrics. Pure."""

import enum
from typing import Final

import crds
from controllers import kube
from crds import hub

GROUP: Final = crds.api.group
MANAGER: Final = "agents-sources"
"""Field manager of everything that is written from an issue."""

SOURCE_LABEL: Final = f"{GROUP}/source"
"""On an ImplementationSpec: the ImplementationSource that it comes from."""
STATE_LABEL: Final = f"{GROUP}/source-state"
"""On an ImplementationSpec: the state of its issue, in lower case."""
VERSION_ANNOTATION: Final = f"{GROUP}/source-version"
"""On an ImplementationSpec: which state of the issue it shows; compared by every replica."""

SYNC_ANNOTATION: Final = f"{GROUP}/sync-requested"
"""On an ImplementationSource: a time; another one asks for a read of the tracker."""

SOURCES: Final = kube.Resource(GROUP, hub.VERSION, "implementationsources", "ImplementationSource")
SPECS: Final = kube.Resource(GROUP, hub.VERSION, "implementationspecs", "ImplementationSpec")

ORPHANED: Final = "Orphaned"
"""Condition of an ImplementationSpec whose issue can no longer be followed."""
SYNCED: Final = "Synced"
"""Condition of an ImplementationSource whose tracker is read."""


class Provider(enum.StrEnum):
    """An issue tracker; its name in the API."""

    GITHUB = "GitHub"
    LINEAR = "Linear"


class State(enum.StrEnum):
    """State of an issue, as a label's value."""

    OPEN = "open"
    CLOSED = "closed"
    ORPHANED = "orphaned"


class Ending(enum.StrEnum):
    """Why an issue can no longer be followed; reasons of the condition Orphaned."""

    DELETED = "Deleted"
    TRANSFERRED = "Transferred"
    OUT_OF_SCOPE = "OutOfScope"
    """The issue no longer has the labels, or the project, that the source asks for."""


class Refusal(enum.StrEnum):
    """Why a delivery is refused; a label of metrics, so it contains nothing from requests."""

    UNKNOWN_SOURCE = "unknown_source"
    NOT_RECEIVING = "not_receiving"
    RATE_LIMITED = "rate_limited"
    CONTENT_TYPE = "content_type"
    TOO_LARGE = "too_large"
    TOO_SLOW = "too_slow"
    MISSING_SIGNATURE = "missing_signature"
    SHA1_SIGNATURE = "sha1_signature"
    MALFORMED_SIGNATURE = "malformed_signature"
    WRONG_SIGNATURE = "wrong_signature"
    NO_SECRET = "no_secret"  # noqa: S105 - a reason
    UNREADABLE = "unreadable"
    MISSING_TIMESTAMP = "missing_timestamp"
    STALE_TIMESTAMP = "stale_timestamp"
    NOT_DURABLE = "not_durable"


class Skip(enum.StrEnum):
    """Why a delivery that was accepted changes nothing; a label of metrics."""

    OTHER_EVENT = "other_event"
    PULL_REQUEST = "pull_request"
    OTHER_SCOPE = "other_scope"
    DUPLICATE = "duplicate"
    OUTDATED = "outdated"
