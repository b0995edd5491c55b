"""The Protocol of runtimes, and the values they take and give. Pure.

A piece of work has a key, ``RUN-UID/ATTEMPT``; within a workflow ``RUN-UID/ATTEMPT/STEP...``. To
submit it again by the same key finds what the first submission made, so that a controller that
crashed, or that only believes to lead, starts nothing twice.
"""

import dataclasses
import datetime as dt
import enum
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol, TypeAlias

from crds.admission import effective_pod, settings

JSON: TypeAlias = Any
"""A decoded JSON value; whoever reads it narrows it."""

Key: TypeAlias = str
"""Of one piece of work; the idempotency key of all that is done for it."""

# A Job waits so long for its pods to end (the default of Kubernetes).
GRACE_SECONDS: Final = 30.0


# A submission to the cluster takes no longer, or is given up: the client's deadline of one request.
SUBMISSION_SECONDS: Final = 30.0
# So long the slot is held of work whose name cannot be reserved: nothing sent before lands later.
HELD_SECONDS: Final = SUBMISSION_SECONDS + 5.0


class Code(enum.StrEnum):
    """What an error means for who called a runtime; docs/runtimes.md has the table."""

    RETRYABLE = "Retryable"
    """It may work later: the server is down, busy, or did not say what happened."""
    QUOTA = "Quota"
    """It may work once something else has ended: a quota, a rate, no capacity left."""
    TERMINAL = "Terminal"
    """It will never work as it is: invalid input, a name that is another's."""
    NOT_FOUND = "NotFound"
    """What it is about is not there: a namespace, an endpoint, a task queue."""
    DENIED = "Denied"
    """It may not be done: RBAC, an admission webhook, credentials, a forbidden address."""

    @property
    def may_pass(self) -> bool:
        """Whether to try again may help."""
        return self in {Code.RETRYABLE, Code.QUOTA}


class RuntimeFault(Exception):  # noqa: N818 - an error has its Code; this carries one
    """A call of a runtime failed; its reader is the machine, which decides by the code.

    Attributes:
        code: What that means.
        message: For people: what was expected, what came; no secrets.
        retry_after_seconds: When the other side says to come back, if it does.
    """

    def __init__(
        self, code: Code, message: str, *, retry_after_seconds: float | None = None
    ) -> None:
        super().__init__(message)
        self.code, self.message = code, message
        self.retry_after_seconds = retry_after_seconds


class Stage(enum.StrEnum):
    """How a piece of work stands."""

    PENDING = "Pending"
    """Submitted; nothing of it runs yet."""
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CANCELLED = "Cancelled"
    """Ended before its time, because ``cancel`` was called or the runner was told to."""
    CANCELLING = "Cancelling"
    """Told to end; some of it may still run."""
    MISSING = "Missing"
    """There is no such work, and never was or no more."""

    @property
    def is_ended(self) -> bool:
        """Whether nothing of it runs, or will."""
        return self in {Stage.SUCCEEDED, Stage.FAILED, Stage.CANCELLED}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One piece of work, complete: what a runtime needs to carry it out.

    Attributes:
        namespace: Where the run is.
        run: Its name.
        uid: Its ``metadata.uid``.
        attempt: From 1.
        spec: The run's ``spec`` (v1beta1); of a workflow's step, with the step's settings merged.
        provider: The ``spec`` of its AgentProvider (v1beta1).
        run_json: Content of ``run.json``, see docs/runner.md.
        runner_json: Content of ``agent-runner.json``, likewise.
        system_prompt: Where it comes from: a SystemPrompt of v1beta1's Agent, or None.
        system_prompt_hash: SHA-256 in hex of an inline one, or empty.
        timeout_seconds: How long it may take; None is without limit.
        start_timeout_seconds: How long until it runs, likewise.
        step: Name of the workflow's step, empty otherwise.
        references: Inputs that are in Secrets and ConfigMaps.
        steps: Of a workflow, one piece of work for each step, in order.
        pods: What the operator's settings gave to pods when the work was judged.
        refusal: Why nothing more of it may be submitted; what runs may go on.
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
    references: Sequence[effective_pod.Reference] = ()
    steps: tuple["Work", ...] = ()
    pods: settings.Pods = settings.PODS
    refusal: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Ref:
    """A piece of work as its runtime finds it again, also after a restart of the controller.

    Attributes:
        type: The run's ``runtime.type``.
        key: Its key.
        work: The work itself, built anew from the run.
        name: Of the object there: a Job, a workflow id, a folder; deterministic by key.
        namespace: Of that object.
        uid: Of that object, once known.
        extra: What else the runtime has to remember, as JSON; small, stored in the run's status.
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
    """How a piece of work stands, as its runtime says.

    Attributes:
        stage: In one word.
        reason: A word in CamelCase for a stage that is not a success: JobFailed, StepTimedOut; of
            PENDING, for what keeps it from starting: ImagePullBackOff.
        message: For people, at most 640 characters.
        code: Of a failure: whether another attempt may help.
        is_disruption: Of a failure: whether the work was taken away, whatever it did, as by an
            eviction; then it uses up no retry.
        started: When it began to run.
        ended: When it ended.
        runner: What the runner reported (``status.json``, docs/runner.md).
        artifacts: ``{name, path?, key?, url?}`` of the files it left.
        missing_artifacts: Names of those that it should have left, and did not.
        artifacts_omitted: How many it left beside those.
        ref: The ref with what the runtime learned or has to remember; None is as before.
        workflow: ``status.workflow`` of v1beta1, where there are steps.
        look_again_seconds: When there may be news that nobody tells; None if it is told, as a Job's
            is by its watch.
        is_held: Whether another controller keeps it from running, as a queue does: no time of the
            run's counts then.
        unreserved: Of work that is not there, why no submission under way can be kept from starting
            it, in the API server's words; empty where none can start it. Its slot is held until
            none is under way any more (``SUBMISSION_SECONDS``).
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
    look_again_seconds: float | None = None
    is_held: bool = False
    unreserved: str = ""

    @property
    def may_help_again(self) -> bool:
        """Whether another attempt may help; it may where nobody says what the failure means."""
        return self.code is None or self.code.may_pass


class Runtime(Protocol):
    """An adapter. Its methods wait for a server at most as long as their own deadlines allow.

    Attributes:
        type: The ``runtime.type`` it serves: Job, Workflow, Temporal or Custom.
        is_collected: Whether Kubernetes' garbage collector ends the work of a deleted run; if not,
            the run gets a finalizer.
        is_external: Whether the work is where Kubernetes sees none of it; then references to it
            are kept by ``records``.
    """

    type: str
    is_collected: bool
    is_external: bool

    def ref(self, key: Key, work: Work) -> Ref:
        """What ``submit`` would return for the key, as far as it is known before. Pure."""

    async def submit(self, key: Key, work: Work) -> Ref:
        """Start a piece of work, or find what was started by this key before.

        Raises:
            RuntimeFault: It was not started, or nobody knows (RETRYABLE): submit again.
        """

    async def status(self, ref: Ref) -> Progress:
        """How it stands; MISSING where there is nothing by this ref.

        Raises:
            RuntimeFault: It could not be asked.
        """

    async def cancel(self, ref: Ref) -> None:
        """See to it that the work ends, and that no late ``submit`` by its key starts it again.

        Returns once that was asked for; ``status`` says CANCELLING until nothing runs, then
        CANCELLED. What has ended stays as it ended; what never was is CANCELLED from now on.

        Raises:
            RuntimeFault: It could not be asked for: cancel again.
        """
