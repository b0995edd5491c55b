"""Phases, conditions and reasons of statuses and Events. Pure."""

import enum
from typing import Final


class Phase(enum.StrEnum):
    """Phase of a run."""

    PENDING = "Pending"
    STARTING = "Starting"
    """Submitted, but not running yet."""
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CANCELLED = "Cancelled"
    TEMPLATE = "Template"


IN_FLIGHT: Final = frozenset({Phase.STARTING, Phase.RUNNING})
ENDED: Final = frozenset({Phase.SUCCEEDED, Phase.FAILED, Phase.CANCELLED})


class Condition(enum.StrEnum):
    """Condition types of a run."""

    ACCEPTED = "Accepted"
    """The referenced objects exist and are allowed; its inputs can no longer change."""
    ADMITTED = "Admitted"
    """The run holds a slot."""
    BLOCKED = "Blocked"
    """Something blocks the run from starting."""
    IN_PROGRESS = "InProgress"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CANCELLED = "Cancelled"
    DUPLICATE = "Duplicate"
    """Another run has its idempotency key."""
    CLEANUP_BLOCKED = "CleanupBlocked"
    """The run was deleted, but its work outside the cluster could not be stopped."""
    RECONCILE_FAILED = "ReconcileFailed"
    """The controller cannot reconcile it."""


class Reason(enum.StrEnum):
    """Reasons of phases and conditions; runtimes add their own failure reasons."""

    # Pending.
    CONCURRENCY_LIMIT = "ConcurrencyLimit"
    SUSPENDED = "Suspended"
    RETRYING = "Retrying"
    WAITING_FOR_SLOT = "WaitingForSlot"
    QUOTA_EXCEEDED = "QuotaExceeded"
    MISSING_AGENT = "MissingAgent"
    MISSING_PROVIDER = "MissingProvider"
    MISSING_IMPLEMENTATION = "MissingImplementation"
    MISSING_MEMORY = "MissingMemory"
    MEMORY_NOT_READY = "MemoryNotReady"
    MISSING_RUNTIME = "MissingRuntime"
    # In progress.
    VALID = "Valid"
    SLOT_HELD = "SlotHeld"
    NOT_BLOCKED = "NotBlocked"
    SUBMITTED = "Submitted"
    RUNNING = "Running"
    CANCELLING = "Cancelling"
    JOB_SUSPENDED = "JobSuspended"
    CLEANUP_BLOCKED = "CleanupBlocked"
    RECONCILE_FAILED = "ReconcileFailed"
    # Ended.
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
    OTHER_CONTROLLER = "StartedByOtherController"
    SPEC_CHANGED = "SpecImmutableViolation"
    DUPLICATE = "Duplicate"
    SECRET_NOT_ALLOWED = "SecretNotAllowed"  # noqa: S105 - a reason
    SERVICE_ACCOUNT_NOT_ALLOWED = "ServiceAccountNotAllowed"
    IMAGE_NOT_ALLOWED = "ImageNotAllowed"
    LABEL_NOT_ALLOWED = "LabelNotAllowed"
    POD_NOT_ALLOWED = "PodNotAllowed"
    SOURCE_NOT_ALLOWED = "ImplementationSourceProviderNotAllowed"
    INVALID_SPEC = "InvalidSpec"
    MISSING_REQUIRED_METADATA = "MissingRequiredMetadata"
    TEMPLATE = "Template"


class EventReason(enum.StrEnum):
    """Reasons of a run's Events."""

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
