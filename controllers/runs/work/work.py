"""Prepares the work of a run from the run and its referenced objects. Pure.

Policies are checked when the run is created, and again here: agents may change, and writes that
bypass the webhooks must not bypass the policies.
"""

import dataclasses
from collections.abc import Sequence
from typing import Final, TypeAlias

from controllers.runs import json_access, naming
from controllers.runs.api_constants import Reason
from controllers.runs.retries import Backoff
from controllers.runs.runtimes.base import JSON, Work
from controllers.runs.work import parameters, related_objects, runner_input
from controllers.runs.work.parameters import Piece
from controllers.runs.work.related_objects import Related
from crds.admission import agentrun as agentrun_rules
from crds.admission import policy, workflows
from crds.admission import settings as settings_
from crds.admission.pods import pod_sources
from crds.admission.settings import Settings


@dataclasses.dataclass(frozen=True, slots=True)
class Ready:
    """The run can start.

    Attributes:
        work: Of the first or next attempt.
        spec_hash: Hash of the immutable part of the spec.
        retries: After the first attempt.
        backoff: Before each retry.
        required: Parameters that the implementation requires.
    """

    work: Work
    spec_hash: str
    retries: int = 0
    backoff: Backoff = dataclasses.field(default_factory=Backoff)
    required: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Waiting:
    """A referenced object is missing, and may still be created."""

    reason: Reason
    message: str


@dataclasses.dataclass(frozen=True, slots=True)
class Refused:
    """The run can never start with this spec."""

    reason: Reason
    message: str
    missing: tuple[str, ...] = ()


Inputs: TypeAlias = Ready | Waiting | Refused


def spec_hash(run: JSON) -> str:
    """Return the SHA-256 of the immutable part of an accepted run's spec."""
    spec = run.get("spec") or {}
    kept = {name: spec[name] for name in spec if name not in agentrun_rules.MAY_CHANGE}
    return naming.digest(kept)


def prepare(
    run: JSON, related: Related, attempt: int, settings: Settings = settings_.DEFAULTS
) -> Inputs:
    """Return the work of an attempt, or what blocks it.

    Args:
        run: The complete AgentRun (v1beta1).
        related: The objects that it refers to.
        attempt: From 1.
        settings: The operator's.
    """
    spec, agent = run["spec"], related.agent
    missing = _invalid(spec) or _missing(run, related)
    if missing is not None:
        return missing
    refused = _refused(run, policy.Context(settings, agent, related.provider))
    if refused is not None:
        return refused
    pieces = [parameters.piece(name, own, related) for name, own in pod_sources.steps(spec)]
    for piece in pieces:
        refused = _piece_refused(run, agent, piece)
        if refused is not None:
            return refused
    works = [runner_input.build(run, related, piece, attempt, settings.pods) for piece in pieces]
    whole = works[0]
    if pieces[0].step:
        own = parameters.piece("", spec, related)
        whole = runner_input.build(run, related, own, attempt, settings.pods)
        whole = dataclasses.replace(whole, steps=tuple(works))
    retry = json_access.at(agent, "spec", "runDefaults", "retry") or {}
    retries, backoff = int(retry.get("limit") or 0), _backoff(retry.get("backoff"))
    required = {name: None for piece in pieces for name in piece.required}
    return Ready(whole, spec_hash(run), retries, backoff, tuple(required))


def _piece_refused(run: JSON, agent: JSON, piece: Piece) -> Refused | None:
    """Reject a task whose source the agent does not allow, or that lacks required parameters."""
    at = f" of step {piece.step!r}" if piece.step else ""
    source = json_access.at(piece.task, "source", "provider")
    allowed = json_access.at(agent, "spec", "policy", "sourceProviders") or {}
    if allowed.get("mode") == "AllowListed" and source not in (allowed.get("allowed") or ()):
        return Refused(
            Reason.SOURCE_NOT_ALLOWED,
            f"expected a task{at} from a source in {allowed.get('allowed') or []}, which agent "
            f"{related_objects.agent_name(run)!r} allows, got source {source!r}",
        )
    lacking = tuple(name for name in piece.required if not piece.inputs.has(name))
    if not lacking:
        return None
    message = (
        f"expected parameters {', '.join(piece.required)}, which the implementation{at} requires; "
        f"missing: {', '.join(lacking)}"
    )
    return Refused(Reason.MISSING_REQUIRED_METADATA, message, lacking)


# ------------------------------------------------------------------ what is missing or refused


def _invalid(spec: JSON) -> Refused | None:
    """Check what the schema cannot, for runs written in v1alpha1 or past the webhooks."""
    problems = [str(problem) for problem in workflows.problems(spec)]
    return Refused(Reason.INVALID_SPEC, _shown(problems)) if problems else None


def _shown(problems: Sequence[str]) -> str:
    """Join the first problems and the number of the others: statuses are for people."""
    more = [f"and {len(problems) - MAX_REFUSALS} more"] if len(problems) > MAX_REFUSALS else []
    return "; ".join([*problems[:MAX_REFUSALS], *more])


def _missing(run: JSON, related: Related) -> Waiting | Refused | None:
    """Return the first missing reference; it may still be created."""
    name = related_objects.agent_name(run)
    if related.agent is None:
        return Waiting(Reason.MISSING_AGENT, f"expected Agent {name!r}, which does not exist yet")
    provider = json_access.at(related.agent, "spec", "providerRef", "name")
    if related.provider is None:
        return Waiting(
            Reason.MISSING_PROVIDER,
            f"expected AgentProvider {provider!r} of agent {name!r}, which does not exist yet",
        )
    for reference in related_objects.implementation_names(run):
        if related.implementations.get(reference) is None:
            return Waiting(
                Reason.MISSING_IMPLEMENTATION,
                f"expected ImplementationSpec {reference!r}, which does not exist yet",
            )
    memory = related_objects.memory_name(run, related.agent)
    if memory and related.memory is None:
        return Waiting(
            Reason.MISSING_MEMORY, f"expected Memory {memory!r}, which does not exist yet"
        )
    return _unusable_memory(related)


def _unusable_memory(related: Related) -> Waiting | Refused | None:
    """Return what the Memory's policy says while it is not ready."""
    if not related.memory_problem:
        return None
    match json_access.at(related.memory, "spec", "health", "onUnavailable"):
        case "Ignore":
            return None
        case "Fail":
            return Refused(Reason.MEMORY_NOT_READY, related.memory_problem)
        case _:
            return Waiting(Reason.MEMORY_NOT_READY, related.memory_problem)


_REASONS: Final = {
    "labels": Reason.LABEL_NOT_ALLOWED,
    "podLabels": Reason.LABEL_NOT_ALLOWED,
    "images": Reason.IMAGE_NOT_ALLOWED,
    "secrets": Reason.SECRET_NOT_ALLOWED,
    "serviceAccounts": Reason.SERVICE_ACCOUNT_NOT_ALLOWED,
}
MAX_REFUSALS: Final = 10


def _refused(run: JSON, context: policy.Context) -> Refused | None:
    """Return the violations of the operator's and the agent's policies by the run and its pods."""
    refusals = policy.refusals(run, context)
    if not refusals:
        return None
    shown = _shown([str(refusal.problem) for refusal in refusals])
    return Refused(_REASONS.get(refusals[0].topic, Reason.POD_NOT_ALLOWED), shown)


def _backoff(given: JSON) -> Backoff:
    """Return an agent's backoff, with the documented defaults."""
    whole, chosen = Backoff(), given or {}
    return Backoff(
        json_access.seconds(chosen.get("base")) or whole.base_seconds,
        json_access.seconds(chosen.get("max")) or whole.max_seconds,
        chosen.get("jitterPercent", whole.jitter * 100) / 100,
    )
