"""The words that statuses and Events use: phases, conditions, reasons. Pure."""

import enum
from typing import Final


class Phase(enum.StrEnum):
    """How a run stands, in one word."""

    PENDING = "Pending"
    STARTING = "Starting"
    """Submitted; nothing of it runs yet."""
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CANCELLED = "Cancelled"
    TEMPLATE = "Template"


IN_FLIGHT: Final = frozenset({Phase.STARTING, Phase.RUNNING})
ENDED: Final = frozenset({Phase.SUCCEEDED, Phase.FAILED, Phase.CANCELLED})


class Condition(enum.StrEnum):
    """What is said of a run beside its phase."""

    ACCEPTED = "Accepted"
    """What it refers to is there and allowed; from now on its inputs cannot change."""
    ADMITTED = "Admitted"
    """It holds a slot."""
    BLOCKED = "Blocked"
    """Something keeps it from starting."""
    IN_PROGRESS = "InProgress"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CANCELLED = "Cancelled"
    DUPLICATE = "Duplicate"
    """Another run has its idempotency key."""
    CLEANUP_BLOCKED = "CleanupBlocked"
    """It was deleted, and its work outside the cluster could not be ended."""
    RECONCILE_FAILED = "ReconcileFailed"
    """Something keeps the controller from going on with it."""


class Reason(enum.StrEnum):
    """Why; a runtime's own reasons for a failure come beside these."""

    # It waits.
    CONCURRENCY_LIMIT = "ConcurrencyLimit"
    SUSPENDED = "Suspended"
    RETRYING = "Retrying"
    WAITING_FOR_SLOT = "WaitingForSlot"
    QUOTA_EXCEEDED = "QuotaExceeded"
    MISSING_AGENT = "MissingAgent"
    MISSING_PROVIDER = "MissingProvider"
    MISSING_IMPLEMENTATION = "MissingImplementation"
    MISSING_MEMORY = "MissingMemory"
    MISSING_RUNTIME = "MissingRuntime"
    # It goes on.
    VALID = "Valid"
    SLOT_HELD = "SlotHeld"
    NOT_BLOCKED = "NotBlocked"
    SUBMITTED = "Submitted"
    RUNNING = "Running"
    CANCELLING = "Cancelling"
    JOB_SUSPENDED = "JobSuspended"
    CLEANUP_BLOCKED = "CleanupBlocked"
    RECONCILE_FAILED = "ReconcileFailed"
    # It has ended.
    COMPLETED = "Completed"
    ENDED = "Ended"
    RELEASED = "SlotReleased"
    CANCEL_REQUESTED = "CancelRequested"
    RUNNER_CANCELLED = "RunnerCancelled"
    TIMED_OUT = "TimedOut"
    START_TIMED_OUT = "StartTimedOut"
    SUBMIT_FAILED = "SubmitFailed"
    JOB_MISSING = "JobMissing"
    RELEASED_BY_OPERATOR = "ReleasedByOperator"
    SPEC_CHANGED = "SpecImmutableViolation"
    DUPLICATE = "Duplicate"
    SECRET_NOT_ALLOWED = "SecretNotAllowed"  # noqa: S105 - a word
    SERVICE_ACCOUNT_NOT_ALLOWED = "ServiceAccountNotAllowed"
    IMAGE_NOT_ALLOWED = "ImageNotAllowed"
    LABEL_NOT_ALLOWED = "LabelNotAllowed"
    POD_NOT_ALLOWED = "PodNotAllowed"
    SOURCE_NOT_ALLOWED = "ImplementationSourceProviderNotAllowed"
    INVALID_SPEC = "InvalidSpec"
    MISSING_REQUIRED_METADATA = "MissingRequiredMetadata"
    TEMPLATE = "Template"


class EventReason(enum.StrEnum):
    """What Events tell of a run."""

    SUBMITTED = "Submitted"
    WAITING = "Waiting"
    STARTED = "Started"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CANCELLED = "Cancelled"
    BLOCKED = "Blocked"
    RETRYING = "Retrying"
    CLEANUP_BLOCKED = "CleanupBlocked"
    RECONCILE_FAILED = "ReconcileFailed"
