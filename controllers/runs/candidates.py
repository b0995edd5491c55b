"""A run as the ledger is told of it: what asks for a slot. Pure."""

from controllers import kube, ledger
from controllers.runs import machine, views


def candidate(run: views.Run) -> ledger.Candidate:
    """A run that asks for a slot for its next attempt."""
    created = kube.time_of(run.metadata.creation_timestamp)
    return ledger.Candidate(
        run.metadata.uid,
        run.metadata.namespace,
        run.spec.agent_ref.name,
        run.spec.priority,
        created.timestamp() if created else 0.0,
        run.metadata.name,
        machine.attempt(run),
    )
