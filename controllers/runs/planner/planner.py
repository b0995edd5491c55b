"""Plans the next action for a run: a pure function of its observed state and the time.

A plan has at most one action, after which everything is observed again; so the points at which a
controller may crash are few and can be enumerated. Actions are idempotent and safe to repeat late:
a submission finds the work that its key started before, a status is written against the
resourceVersion that it was decided on, and a slot is freed by compare-and-swap.
"""

import datetime as dt

from controllers.runs.api_constants import IN_FLIGHT, Phase, Reason
from controllers.runs.planner import deletion, endings, observation, pending, running
from controllers.runs.planner.actions import Plan
from controllers.runs.planner.observation import Observed
from controllers.runs.run_status import RunState


def reconcile(seen: Observed, now: dt.datetime) -> Plan:
    """Plan the next step for a run."""
    run = seen.run
    if run.metadata.deletion_timestamp:
        return deletion.plan(seen, now)
    if run.spec.purpose == Phase.TEMPLATE:
        return Plan(state=RunState(phase=Phase.TEMPLATE, reason=Reason.TEMPLATE))
    if observation.is_ended(run):
        # Anyone with access to statuses may have written this one: the reaper frees the slot.
        return Plan() if seen.has_slot else Plan(action=endings.remaining_action(seen))
    if run.status.phase in IN_FLIGHT:
        return running.plan(seen, now)
    return pending.plan(seen, now)
