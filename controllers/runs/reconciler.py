"""Observes a run, plans the next step and executes it: all I/O of runs. Shell.

All writes are in `_act`, `_submit` and `_conclude`: the points at which a crash may occur.
`work_reader` reads the run's work, `status_writer` writes its status.
"""

import collections
import dataclasses
import datetime as dt
import logging
import random
from collections.abc import Callable, Mapping
from typing import Final

from controllers import kube, ledger
from controllers.audit import log as audit_log
from controllers.runs import decisions, naming, projections, run_status
from controllers.runs.api_constants import ENDED, IN_FLIGHT, Reason
from controllers.runs.caches import Caches
from controllers.runs.planner import observation, pending, planner
from controllers.runs.planner.actions import Action, Plan
from controllers.runs.planner.observation import Claim, Observed
from controllers.runs.references import idempotency_claims, work_records
from controllers.runs.references.work_records import Records
from controllers.runs.runtimes.base import Code, Progress, Ref, Runtime, RuntimeFault, Stage
from controllers.runs.slots import candidates
from controllers.runs.slots.slot_allocator import SlotAllocator
from controllers.runs.status_writer import StatusWriter
from controllers.runs.work import work
from controllers.runs.work.work_reader import RecreatedError, WorkReader
from crds.admission.settings import Settings

# A plan converges in a few steps: claim, finalizer, submit; cancel, free, finalizer.
MAX_STEPS: Final = 8
CONFLICT_SECONDS: Final = 0.05
FAULT_SECONDS: Final = 5.0
CANCELLED_SECONDS: Final = 1.0
# A slot lost with the ledger returns when the ledger is rebuilt.
SLOT_SECONDS: Final = 5.0
_RELEASED: Final = Progress(
    stage=Stage.CANCELLED,
    reason=Reason.RELEASED_BY_OPERATOR,
    message="The record of the run's work no longer exists: it was released.",
    code=Code.TERMINAL,
)
_log = logging.getLogger(__name__)


class NotLeadingError(Exception):
    """The Lease may be lost: nothing may be written."""


@dataclasses.dataclass(slots=True)
class _Memory:
    """State of a live run beyond its view.

    Attributes:
        ref: Of work outside the cluster, as last returned by its runtime.
        cancelled: Number of the attempt whose work was asked to stop.
    """

    claim: Claim = dataclasses.field(default_factory=Claim)
    ref: Ref | None = None
    cancelled: int = 0


class Reconciler:
    """Reconciles runs, one key at a time.

    Args:
        client: May read and write the objects of runs.
        caches: Synced caches.
        runtimes: By ``runtime.type``.
        allocator: Requests slots.
        recorder: Emits Events.
        records: Of work outside the cluster.
        leads: Whether this process may still write.
        on_end: Called with the outcome of a run and its runtime.
        settings: Returns the operator's current settings.
        now: Aware UTC time.
        rng: A random number from 0 to 1.
        audit: Records decisions.
    """

    def __init__(
        self,
        client: kube.Client,
        caches: Caches,
        runtimes: Mapping[str, Runtime],
        allocator: SlotAllocator,
        recorder: kube.Recorder,
        *,
        records: Records,
        leads: Callable[[], bool] = lambda: True,
        on_end: Callable[[str, str], None] = lambda _, __: None,
        settings: Callable[[], Settings] = Settings,
        now: Callable[[], dt.datetime] = kube.utc_now,
        rng: Callable[[], float] = random.random,
        audit: audit_log.Record = audit_log.nothing,
    ) -> None:
        self._audit = audit
        self._client, self._caches, self._runtimes = client, caches, runtimes
        self._writer = kube.Writer(client, naming.MANAGER)
        self._statuses = StatusWriter(client, caches, recorder, leads=leads, now=now)
        self._reader = WorkReader(client, caches, settings)
        self._allocator, self._records, self._on_end = allocator, records, on_end
        self._leads, self._now, self._rng = leads, now, rng
        self._memories: collections.defaultdict[str, _Memory] = collections.defaultdict(_Memory)
        self._uids: dict[kube.Key, str] = {}
        self.orphaned: set[ledger.Uid] = set()
        """Runs deleted while they held a slot, for the reaper."""

    async def reconcile(self, key: kube.Key) -> float | None:
        """Reconcile a run; return the requeue delay in seconds, if any."""
        run = self._caches.runs.get(key)
        if run is None:
            self._forget(key)
            return None
        if self._uids.get(key) not in {None, run.metadata.uid}:
            self._forget(key)
        self._uids[key] = run.metadata.uid
        try:
            plan, seen = await self._converge(run)
            return await self._conclude(seen, plan)
        except kube.ConflictError:
            return CONFLICT_SECONDS  # the watch will deliver the newer version
        except RecreatedError:
            return None  # deleted meanwhile; the watch will report it
        except (NotLeadingError, kube.UnreachableError):
            raise  # nothing can be written
        except Exception as error:  # noqa: BLE001 - reported in the run's status
            return await self._report_failure(run, error)

    async def _converge(self, run: projections.Run) -> tuple[Plan, Observed]:
        """Act until only the status remains to be written."""
        seen, was_cancelled = await self._observe(run), False
        for _ in range(MAX_STEPS):
            plan = planner.reconcile(seen, self._now())
            if plan.action is None:
                return plan, seen
            if plan.action is Action.CANCEL and was_cancelled:
                # The runtime was asked to cancel, and has not reacted yet.
                return Plan(requeue_after_seconds=CANCELLED_SECONDS), seen
            was_cancelled = was_cancelled or plan.action is Action.CANCEL
            if plan.action is Action.SUBMIT:
                after, seen = await self._submit(seen)
                if after is not None:
                    return after, seen
            else:
                seen = await self._act(plan.action, seen)
        raise RuntimeError(f"expected {run.key} to converge in {MAX_STEPS} steps")

    # ------------------------------------------------------------------------------- observing

    async def _observe(self, run: projections.Run) -> Observed:
        uid = run.metadata.uid
        memory, has_slot = self._memories[uid], self._allocator.holds(uid, observation.attempt(run))
        runtime = self._runtimes.get(run.spec.runtime.type)
        if runtime is None:
            known = ", ".join(sorted(self._runtimes))
            message = f"expected a runtime of this controller ({known}), got "
            message += run.spec.runtime.type
            return Observed(
                run=run,
                inputs=work.Waiting(Reason.MISSING_RUNTIME, message),
                claim=memory.claim,
                unreachable=RuntimeFault(Code.NOT_FOUND, message) if has_slot else None,
            )
        inputs = None
        if observation.needs_inputs(run, has_slot=has_slot):
            needs_work = observation.needs_work(run, has_slot=has_slot)
            inputs = await self._reader.inputs(run, needs_work=needs_work)
        ref = self._ref(run, runtime, inputs, has_slot=has_slot)
        seen = Observed(run=run, ref=ref)
        if observation.needs_progress(run):
            seen = await self._with_progress(runtime, seen)
        blocked = self._allocator.blocked(uid)
        return dataclasses.replace(
            seen,
            is_collected=runtime.is_collected,
            inputs=inputs,
            claim=self._claim_of(run, memory),
            has_slot=has_slot,
            blocked_by=blocked.limit if blocked else "",
            blocked_since=blocked.since if blocked else None,
            rng=self._rng(),
        )

    def _claim_of(self, run: projections.Run, memory: _Memory) -> Claim:
        # Accepted runs have claimed the key before.
        return Claim(is_mine=True) if run.status.spec_hash else memory.claim

    def _ref(
        self, run: projections.Run, runtime: Runtime, inputs: work.Inputs | None, *, has_slot: bool
    ) -> Ref:
        # While in flight without a slot, no step of a workflow may start.
        may_start = has_slot or run.status.phase not in IN_FLIGHT
        is_whole = may_start and isinstance(inputs, work.Ready)
        piece = (
            inputs.work if is_whole and isinstance(inputs, work.Ready) else self._reader.bare(run)
        )
        if isinstance(inputs, work.Refused):
            piece = dataclasses.replace(piece, refusal=inputs.message)
        ref = runtime.ref(observation.key(run), piece)
        if runtime.is_external or run.status.phase not in IN_FLIGHT:
            return ref
        # The status may have been written by anyone: it selects no work, and is only passed on.
        known = run.status.runtime_ref
        uid = known.uid if known is not None and known.name == ref.name else ""
        return dataclasses.replace(ref, uid=uid, extra=run.carried)

    async def _with_progress(self, runtime: Runtime, seen: Observed) -> Observed:
        """Query the runtime for progress; for a deleted run, also record that it is unreachable."""
        ref = seen.ref
        assert ref is not None  # noqa: S101 - an existing runtime returns one
        try:
            if not runtime.is_external:
                return dataclasses.replace(seen, progress=await runtime.status(ref))
            return await self._with_external_progress(runtime, seen, ref)
        except RuntimeFault as fault:
            if not seen.run.metadata.deletion_timestamp:
                raise
            return dataclasses.replace(seen, unreachable=fault)

    async def _with_external_progress(
        self, runtime: Runtime, seen: Observed, derived: Ref
    ) -> Observed:
        """Query the progress of work outside the cluster, at the place in its record."""
        record = await self._records.read(derived.key)
        if record is None:
            return dataclasses.replace(seen, progress=_RELEASED)
        memory = self._memories[seen.run.metadata.uid]
        known = record.ref(derived.work)
        if memory.ref is not None and memory.ref.key == known.key:
            known = dataclasses.replace(known, extra=memory.ref.extra)
        progress = await runtime.status(known)
        memory.ref = progress.ref or known
        if work_records.is_news(record, memory.ref):
            await self._records.update(memory.ref)
        return dataclasses.replace(seen, ref=memory.ref, progress=progress)

    # ------------------------------------------------------------------------------------ acting

    async def _act(self, action: Action, seen: Observed) -> Observed:
        """Execute an action, and return the resulting state."""
        self._check()
        run = seen.run
        match action:
            case Action.CLAIM:
                claim = await idempotency_claims.claim(self._client, run, _payload_hash(seen))
                self._memories[run.metadata.uid].claim = claim
                return dataclasses.replace(seen, claim=claim)
            case Action.ADD_FINALIZER | Action.REMOVE_FINALIZER:
                if action is Action.REMOVE_FINALIZER:
                    await self._forget_work(seen)
                return dataclasses.replace(seen, run=await self._finalizer(action, run))
            case Action.CANCEL:
                runtime, ref = self._runtimes[run.spec.runtime.type], seen.ref
                assert ref is not None  # noqa: S101 - an existing runtime returns one
                try:
                    await runtime.cancel(ref)
                except RuntimeFault as fault:
                    if not run.metadata.deletion_timestamp:
                        raise
                    return dataclasses.replace(seen, unreachable=fault)
                self._note_cancelled(run, ref)
                return await self._with_progress(runtime, seen)
            case Action.FREE:
                return self._freed(seen)
            case _:
                raise ValueError(action)

    def _note_cancelled(self, run: projections.Run, ref: Ref) -> None:
        """Record that an attempt was asked to stop, once: runtimes may be asked again."""
        memory, attempt = self._memories[run.metadata.uid], observation.attempt(run)
        if memory.cancelled != attempt:
            memory.cancelled = attempt
            self._audit(decisions.cancelled(run, ref, attempt))

    def _freed(self, seen: Observed) -> Observed:
        """Free the slot; if the work could still start, the reaper frees it later."""
        if seen.progress is None or not seen.progress.unreserved:
            self._allocator.free(seen.run.metadata.uid, observation.attempt(seen.run))
        return dataclasses.replace(seen, has_slot=False)

    async def _submit(self, seen: Observed) -> tuple[Plan | None, Observed]:
        """Start the attempt; return the following plan if it succeeded."""
        self._check()
        if not self._allocator.may_start(seen.run.metadata.uid, observation.attempt(seen.run)):
            return Plan(requeue_after_seconds=SLOT_SECONDS), seen
        ready, ref = seen.inputs, seen.ref
        assert isinstance(ready, work.Ready)  # noqa: S101 - only ready inputs are submitted
        assert ref is not None  # noqa: S101 - set for existing runtimes
        runtime = self._runtimes[seen.run.spec.runtime.type]
        try:
            if runtime.is_external:
                await self._records.begin(ref)
            ref = await runtime.submit(ref.key, ready.work)
            if runtime.is_external:
                await self._records.update(ref)
        except RuntimeFault as error:
            return None, dataclasses.replace(seen, fault=error)
        return pending.submitted(seen, ref, self._now()), seen

    async def _finalizer(self, action: Action, run: projections.Run) -> projections.Run:
        change = (
            self._writer.add_finalizer
            if action is Action.ADD_FINALIZER
            else self._writer.remove_finalizer
        )
        written = await change(projections.RUNS, run.key, naming.FINALIZER)
        if written is None:  # already so, and the watch is late
            written = await self._client.get(
                projections.RUNS, run.key.name, namespace=run.key.namespace
            )
        return projections.of(projections.Run, written)

    async def _conclude(self, seen: Observed, plan: Plan) -> float | None:
        """Write the state, and request or withdraw from a slot."""
        run = seen.run
        self._request_slot(run, plan)
        if plan.state is None:
            return plan.requeue_after_seconds
        status = run_status.written(plan.state, run, self._now())
        if status is not None:
            self._check()
            await self._statuses.write(run, status)
            entry = decisions.recorded(run, plan.state)
            if entry is not None:
                self._audit(entry)
            if plan.state.phase in ENDED:
                self._on_end(plan.state.phase, run.spec.runtime.type)
            for event in plan.events:
                self._statuses.emit(run, event)
        if plan.state.phase not in IN_FLIGHT:
            await self._forget_work(seen)
        return plan.requeue_after_seconds

    async def _report_failure(self, run: projections.Run, error: Exception) -> float | None:
        """Report a failure to reconcile; return the requeue delay, if the error may pass."""
        if isinstance(error, kube.NotFoundError) and not await self._is_there(run):
            return None
        await self._statuses.report_failure(run, str(error) or repr(error))
        if not isinstance(error, RuntimeFault):
            raise error
        _log.warning("%s: %s: %s", run.key, error.code, error.message)
        return error.retry_after_seconds or FAULT_SECONDS

    async def _is_there(self, run: projections.Run) -> bool:
        """Return whether the run still exists; something else may be missing."""
        namespace, name = run.key
        try:
            existing = await self._client.get(projections.RUNS, name, namespace=namespace)
        except kube.NotFoundError:
            return False
        return bool(existing["metadata"]["uid"] == run.metadata.uid)

    async def _forget_work(self, seen: Observed) -> None:
        """Delete the record of work outside the cluster once its end is recorded."""
        progress, ref = seen.progress, seen.ref
        if ref is None or progress is None or not progress.stage.is_ended:
            return
        runtime = self._runtimes.get(seen.run.spec.runtime.type)
        if runtime is not None and runtime.is_external:
            await self._records.remove(ref.key)

    def _request_slot(self, run: projections.Run, plan: Plan) -> None:
        uid = run.metadata.uid
        if not plan.wants_slot:
            self._allocator.withdraw(uid)
            return
        self._allocator.ask(candidates.candidate(run))

    def _check(self) -> None:
        if not self._leads():
            raise NotLeadingError

    # -------------------------------------------------------------------------------- remembering

    def _forget(self, key: kube.Key) -> None:
        """Drop the state of a run that was deleted, recreated or has ended; its slot may remain."""
        uid = self._uids.pop(key, None)
        if uid is None:
            return
        self._memories.pop(uid, None)
        self._reader.forget(uid)
        self._statuses.forget(uid)
        self._allocator.withdraw(uid)
        if self._allocator.holds(uid):
            self.orphaned.add(uid)


def _payload_hash(seen: Observed) -> str:
    return seen.inputs.spec_hash if isinstance(seen.inputs, work.Ready) else ""
