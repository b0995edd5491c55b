"""Queued runs as candidates for admission. Pure."""

from controllers import kube, ledger
from controllers.runs import projections
from controllers.runs.planner import observation


def candidate(run: projections.Run) -> ledger.Candidate:
    """Return the candidate for a run's next attempt."""
    created = kube.time_of(run.metadata.creation_timestamp)
    return ledger.Candidate(
        run.metadata.uid,
        run.metadata.namespace,
        run.spec.agent_ref.name,
        run.spec.priority,
        created.timestamp() if created else 0.0,
        run.metadata.name,
        observation.attempt(run),
    )
