"""The Protocol of runtimes, and its values. Pure.

Work has a key, ``RUN-UID/ATTEMPT``; within a workflow ``RUN-UID/ATTEMPT/STEP...``. Submitting the
same key again returns the existing work, so that a controller that crashed, or wrongly believes
that it leads, starts nothing twice.
"""

import dataclasses
import datetime as dt
import enum
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol, TypeAlias

from crds.admission import settings
from crds.admission.pods import pod_sources

JSON: TypeAlias = Any
"""A decoded JSON value, to be narrowed by the reader."""

Key: TypeAlias = str
"""Idempotency key of a piece of work."""

# Default termination grace period of pods.
GRACE_SECONDS: Final = 30.0


# Deadline of a submission to the cluster: the client's timeout of a request.
SUBMISSION_SECONDS: Final = 30.0
# A slot is held this long if the name of its work cannot be reserved: in-flight requests have ended
# by then.
HELD_SECONDS: Final = SUBMISSION_SECONDS + 5.0


class Code(enum.StrEnum):
    """Classification of a runtime's error; see the table in docs/runtimes.md."""

    RETRYABLE = "Retryable"
    """May succeed later: the server is down or busy, or the result is unknown."""
    QUOTA = "Quota"
    """May succeed once other work has ended: a quota, a rate limit, no capacity."""
    TERMINAL = "Terminal"
    """Will never succeed: invalid input, a name in use by another."""
    NOT_FOUND = "NotFound"
    """The target does not exist: a namespace, an endpoint, a task queue."""
    DENIED = "Denied"
    """Not allowed: RBAC, an admission webhook, credentials, a forbidden address."""

    @property
    def may_pass(self) -> bool:
        """Whether a retry may succeed."""
        return self in {Code.RETRYABLE, Code.QUOTA}


class RuntimeFault(Exception):  # noqa: N818 - the Code classifies the error
    """A call of a runtime failed; the planner acts on the code.

    Attributes:
        code: Classification.
        message: For people: what was expected, what came; no secrets.
        retry_after_seconds: Delay requested by the server, if any.
    """

    def __init__(
        self, code: Code, message: str, *, retry_after_seconds: float | None = None
    ) -> None:
        super().__init__(message)
        self.code, self.message = code, message
        self.retry_after_seconds = retry_after_seconds


class Stage(enum.StrEnum):
    """Stage of a piece of work."""

    PENDING = "Pending"
    """Submitted, but not running yet."""
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CANCELLED = "Cancelled"
    """Stopped early, by ``cancel`` or by the runner."""
    CANCELLING = "Cancelling"
    """Cancellation requested; some of it may still run."""
    MISSING = "Missing"
    """No such work exists."""

    @property
    def is_ended(self) -> bool:
        """Whether nothing of it runs or will run."""
        return self in {Stage.SUCCEEDED, Stage.FAILED, Stage.CANCELLED}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A complete piece of work, as a runtime executes it.

    Attributes:
        namespace: Namespace of the run.
        run: Name of the run.
        uid: Its ``metadata.uid``.
        attempt: From 1.
        spec: The run's ``spec`` (v1beta1); for a workflow step, merged with the step's settings.
        provider: The ``spec`` of its AgentProvider (v1beta1).
        run_json: Content of ``run.json``, see docs/runner.md.
        runner_json: Content of ``agent-runner.json``, see docs/runner.md.
        system_prompt: A SystemPrompt of v1beta1's Agent, or None.
        system_prompt_hash: SHA-256 in hex of an inline one, or empty.
        timeout_seconds: Maximum duration; None for no limit.
        start_timeout_seconds: Maximum time until it runs; None for no limit.
        step: Name of the workflow's step, or empty.
        references: Inputs from Secrets and ConfigMaps.
        steps: The work of each step of a workflow, in order.
        pods: Pod settings of the operator at the time of the policy check.
        refusal: Why no more of it may be submitted; running work may continue.
    """

    namespace: str
    run: str
    uid: str
    attempt: int
    spec: Mapping[str, JSON]
    provider: Mapping[str, JSON]
    run_json: Mapping[str, JSON]
    runner_json: Mapping[str, JSON]
    system_prompt: Mapping[str, JSON] | None = None
    system_prompt_hash: str = ""
    timeout_seconds: float | None = None
    start_timeout_seconds: float | None = None
    step: str = ""
    references: Sequence[pod_sources.Reference] = ()
    steps: tuple["Work", ...] = ()
    pods: settings.Pods = settings.PODS
    refusal: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Ref:
    """A reference to work that its runtime can resolve, also after a restart of the controller.

    Attributes:
        type: The run's ``runtime.type``.
        key: Its key.
        work: The work, rebuilt from the run.
        name: Of its object: a Job, a workflow ID, a directory; derived from the key.
        namespace: Of that object.
        uid: Of that object, once known.
        extra: Further state of the runtime, as JSON; small, stored in the run's status.
    """

    type: str
    key: Key
    work: Work
    name: str = ""
    namespace: str = ""
    uid: str = ""
    extra: Mapping[str, JSON] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Progress of work, as reported by its runtime.

    Attributes:
        stage: Current stage.
        reason: CamelCase reason of a stage other than success: JobFailed, StepTimedOut; for
            PENDING, why it has not started: ImagePullBackOff.
        message: Human-readable, at most 640 characters.
        code: Of a failure: whether another attempt may succeed.
        is_disruption: Of a failure: whether it was caused by a disruption such as an eviction; then
            it uses up no retry.
        started: When it began to run.
        ended: When it ended.
        runner: The runner's report (``status.json``, docs/runner.md).
        artifacts: ``{name, path?, key?, url?}`` of the files it produced.
        missing_artifacts: Names of declared files that it did not produce.
        artifacts_omitted: Number of further files.
        ref: The ref with updated state; None if unchanged.
        workflow: ``status.workflow`` of v1beta1, if there are steps.
        requeue_after_seconds: Polling delay; None if a watch reports changes, as for Jobs.
        is_held: Whether another controller, such as a queue, suspends it: timeouts are stopped
            then.
        unreserved: For missing work, why an in-flight submission cannot be kept from starting it,
            as reported by the API server; empty if none can. Its slot is held until no submission
            is in flight (``SUBMISSION_SECONDS``).
    """

    stage: Stage
    reason: str = ""
    message: str = ""
    code: Code | None = None
    is_disruption: bool = False
    started: dt.datetime | None = None
    ended: dt.datetime | None = None
    runner: Mapping[str, JSON] | None = None
    artifacts: Sequence[Mapping[str, JSON]] = ()
    missing_artifacts: Sequence[str] = ()
    artifacts_omitted: int = 0
    ref: Ref | None = None
    workflow: Mapping[str, JSON] | None = None
    requeue_after_seconds: float | None = None
    is_held: bool = False
    unreserved: str = ""

    @property
    def may_help_again(self) -> bool:
        """Whether another attempt may succeed; assumed for unclassified failures."""
        return self.code is None or self.code.may_pass


class Runtime(Protocol):
    """An adapter. Its methods have their own deadlines for calls of servers.

    Adapters inherit ``sweep`` and ``close`` if they have nothing to do there.

    Attributes:
        type: The ``runtime.type`` it serves, a ``RuntimeType`` of v1beta1.
        is_collected: Whether garbage collection stops the work of a deleted run; if not, the run
            gets a finalizer.
        is_external: Whether the work is outside the cluster, and ``work_records`` refers to it.
    """

    type: str
    is_collected: bool
    is_external: bool

    def ref(self, key: Key, work: Work) -> Ref:
        """Return the result of ``submit`` for the key, as far as known in advance. Pure."""

    async def submit(self, key: Key, work: Work) -> Ref:
        """Start work, or return the work started with this key before.

        Raises:
            RuntimeFault: It was not started, or this is unknown (RETRYABLE): submit again.
        """

    async def status(self, ref: Ref) -> Progress:
        """Return the progress; MISSING if the work does not exist.

        Raises:
            RuntimeFault: The query failed.
        """

    async def cancel(self, ref: Ref) -> None:
        """Stop the work, and prevent a late ``submit`` with its key from starting it again.

        Returns once requested; ``status`` returns CANCELLING until nothing runs, then CANCELLED.
        The outcome of ended work is kept; work that never existed is CANCELLED from then on.

        Raises:
            RuntimeFault: The request failed: cancel again.
        """

    async def sweep(self) -> int:
        """Delete what is left of work that ended long ago; return how much.

        The controller calls it regularly.

        Raises:
            RuntimeFault: Not all could be checked, but the rest was swept: sweep again.
        """
        return 0

    async def close(self) -> None:
        """Close connections, and stop watching work; it goes on."""
        return
