"""Defaulting of AgentRun from other fields, and validation beyond the schema."""

from collections.abc import Iterator, Mapping
from typing import Final

from crds import hub, idempotency
from crds.admission import members, policy, settings, workflows
from schemagen import Facts, FieldPath, Problem, Reason, Rules, canonical
from schemagen.problems import JSON, quoted

# The step that agentctl has always submitted for a workflow without steps.
ONE_STEP = {"name": "implement"}


def default(run: JSON, facts: Facts) -> JSON:
    """Add a step to a workflow without steps, and a VCS mode to a run with a provider."""
    del facts
    spec = run.get("spec")
    if type(spec) is not dict:
        return run
    return {**run, "spec": _with_vcs_mode(_with_step(spec))}


def _with_step(spec: dict[str, JSON]) -> dict[str, JSON]:
    runtime = spec.get("runtime")
    if type(runtime) is not dict or runtime.get("type") != "Workflow":
        return spec
    workflow = runtime.get("workflow")
    if workflow is not None and (type(workflow) is not dict or workflow.get("steps")):
        return spec
    filled = {"parallelism": 1, **(workflow or {}), "steps": [ONE_STEP]}
    return {**spec, "runtime": {**runtime, "workflow": filled}}


def _with_vcs_mode(spec: dict[str, JSON]) -> dict[str, JSON]:
    vcs = spec.get("vcs")
    if type(vcs) is not dict or "providerRef" not in vcs or vcs.get("mode") is not None:
        return spec
    return {**spec, "vcs": {**vcs, "mode": "ReadWrite"}}


# All other fields are immutable once a run is accepted.
MAY_CHANGE: Final = frozenset({"retention", "priority", "suspend", "cancel"})

# etcd accepts 1.5 MiB per request; status and managedFields need room beside the spec.
MAX_SPEC_BYTES: Final = 1024 * 1024


def validate(run: JSON, old: JSON | None, facts: Facts) -> Iterator[Problem]:
    """Yield the problems of a run: its size, changed immutable fields, and policy violations."""
    spec = run.get("spec")
    if type(spec) is not dict:
        return
    if facts.most_bytes is None or facts.most_bytes > MAX_SPEC_BYTES:
        yield from _size(spec)
    if old is not None and is_accepted(old):
        yield from _changes(spec, old.get("spec"))
    if old is None:
        yield from _duplicate(run, spec, facts)
    # v1alpha1 accepts whatever the published API does: a warning there, and the controller refuses.
    if facts.version in {"", hub.VERSION}:
        yield from workflows.problems(spec)
    yield from (refusal.problem for refusal in policy.refusals(run, _context(spec, facts)))


def _context(spec: dict[str, JSON], facts: Facts) -> policy.Context:
    """The policy context; the controller checks again for an agent or provider created later."""
    agent = facts.related.get(("Agent", policy.agent_name(spec)))
    provider = facts.related.get(("AgentProvider", policy.provider_name(agent)))
    return policy.Context(settings.read(facts.settings), agent, provider)


def is_accepted(run: JSON) -> bool:
    """Whether the controller has accepted a run: by its condition, or because it left Pending."""
    status = run.get("status")
    if type(status) is not dict:
        return False
    conditions = status.get("conditions")
    has_condition = any(
        type(condition) is dict
        and condition.get("type") == "Accepted"
        and condition.get("status") == "True"
        for condition in (conditions if type(conditions) is list else ())
    )
    return has_condition or status.get("phase") not in {None, "", "Pending", "Template"}


def _size(spec: dict[str, JSON]) -> Iterator[Problem]:
    size = len(canonical.dumps(spec))
    if size > MAX_SPEC_BYTES:
        sizes = {name: len(canonical.dumps(value)) for name, value in spec.items()}
        largest = max(sizes, key=lambda name: sizes[name])
        message = (
            f"expected at most {MAX_SPEC_BYTES} bytes of JSON, got {size}; the largest field is "
            f"{largest} with {sizes[largest]}"
        )
        yield Problem(FieldPath().member("spec"), message, Reason.TOO_LONG)


def _changes(spec: dict[str, JSON], old: JSON) -> Iterator[Problem]:
    before = old if type(old) is dict else {}
    for name in sorted(spec.keys() | before.keys()):
        if name not in MAY_CHANGE and spec.get(name) != before.get(name):
            message = (
                "expected no change of an accepted run, got a different value; only "
                f"{', '.join(sorted(MAY_CHANGE))} may be changed; create a new run instead"
            )
            yield Problem(FieldPath().member("spec").member(name), message, Reason.FORBIDDEN)


def _duplicate(run: JSON, spec: dict[str, JSON], facts: Facts) -> Iterator[Problem]:
    """Refuse a second run with a key; a run that races with the claim of the first ends Failed."""
    holder, uid = _holder(run, spec, facts.related)
    if not uid or uid == run["metadata"].get("uid"):
        return
    place = (idempotency.RUN_KIND, holder)
    # The claim outlives a deleted run until the garbage collector has removed it.
    if place in facts.related and members.at(facts.related[place], "metadata").get("uid") != uid:
        return
    message = (
        f"expected a key that no other run of agent {policy.agent_name(spec)!r} uses, got "
        f"{quoted(spec['idempotencyKey'])}, used by run {holder!r}"
    )
    path = FieldPath().member("spec").member("idempotencyKey")
    yield Problem(path, message, Reason.DUPLICATE)


def _holder(
    run: JSON, spec: dict[str, JSON], related: Mapping[tuple[str, str], JSON]
) -> tuple[str, str]:
    """Return name and UID of the run that holds the key; empty if unknown."""
    name = _claim_name(run, spec) if related else ""
    claim = related.get((idempotency.CLAIM_KIND, name)) if name else None
    return idempotency.owner(claim) if claim is not None else ("", "")


def _claim_name(run: JSON, spec: dict[str, JSON]) -> str:
    """Return the name of the claim on the run's key; empty without a key."""
    metadata, key = run.get("metadata"), spec.get("idempotencyKey")
    namespace = metadata.get("namespace") if type(metadata) is dict else None
    if type(key) is not str or not key or type(namespace) is not str:
        return ""
    return idempotency.claim_name(namespace, policy.agent_name(spec), key)


def related(run: JSON) -> Iterator[tuple[str, str]]:
    """Yield the run's Agent, for its policy, and the claim on its idempotency key."""
    spec = run.get("spec")
    if type(spec) is not dict:
        return
    if name := policy.agent_name(spec):
        yield "Agent", name
    if name := _claim_name(run, spec):
        yield idempotency.CLAIM_KIND, name


def related_further(run: JSON, known: Mapping[tuple[str, str], JSON]) -> Iterator[tuple[str, str]]:
    """Yield the AgentProvider, from which the pod is built, and the run that holds the key."""
    spec = run.get("spec")
    if name := policy.provider_name(known.get(("Agent", policy.agent_name(spec)))):
        yield "AgentProvider", name
    if type(spec) is dict:
        holder, uid = _holder(run, spec, known)
        if holder and uid != members.at(run, "metadata").get("uid"):
            yield idempotency.RUN_KIND, holder


RULES = Rules(
    default=default,
    validate=validate,
    related=related,
    related_further=related_further,
    read_anew=(idempotency.RUN_KIND,),
)
