"""Prepares the work of a run from the run and its referenced objects. Pure.

Policies are checked when the run is created, and again here: agents may change, and writes that
bypass the webhooks must not bypass the policies.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from controllers.runs import json_access, naming
from controllers.runs.api_constants import Reason
from controllers.runs.retries import Backoff
from controllers.runs.runtimes.base import JSON, Work
from crds.admission import agentrun as agentrun_rules
from crds.admission import inputs as run_inputs
from crds.admission import policy, workflows
from crds.admission import settings as settings_
from crds.admission.pods import effective_pod
from crds.admission.settings import Pods, Settings

RUNNER_SCHEMA: Final = "agents.proompteng.ai/runner/v1"
# Parameter aliases for all implementations; each fills only an empty target.
ALIASES: Final = {
    "repo": "repository",
    "issueRepository": "repository",
    "issue": "issueNumber",
    "issueId": "issueNumber",
    "issue_id": "issueNumber",
    "issue_number": "issueNumber",
    "title": "issueTitle",
    "body": "issueBody",
    "url": "issueUrl",
    "baseBranch": "base",
    "base_ref": "base",
    "baseRef": "base",
    "headBranch": "head",
    "head_ref": "head",
    "headRef": "head",
    "codexStage": "stage",
}
EVENT_KEYS: Final = (
    *("repository", "issueNumber", "issueTitle", "issueBody", "issueUrl", "base", "head", "stage"),
)


@dataclasses.dataclass(frozen=True, slots=True)
class Related:
    """The objects that a run refers to; None if missing.

    Attributes:
        agent: The complete Agent.
        provider: The AgentProvider of that agent.
        implementations: ImplementationSpecs of the run and its steps, by name.
        memory: The Memory of the run or its agent.
    """

    agent: JSON = None
    provider: JSON = None
    implementations: Mapping[str, JSON] = dataclasses.field(default_factory=dict)
    memory: JSON = None


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


def agent_name(run: JSON) -> str:
    """Return the name of the run's agent."""
    return str(json_access.at(run, "spec", "agentRef", "name") or "")


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
    pieces = [_piece(name, own, related) for name, own in effective_pod.steps(spec)]
    for piece in pieces:
        refused = _piece_refused(run, agent, piece)
        if refused is not None:
            return refused
    works = [_work(run, related, piece, attempt, settings.pods) for piece in pieces]
    whole = works[0]
    if pieces[0].step:
        own = _piece("", spec, related)
        whole = _work(run, related, own, attempt, settings.pods)
        whole = dataclasses.replace(whole, steps=tuple(works))
    retry = json_access.at(agent, "spec", "runDefaults", "retry") or {}
    retries, backoff = int(retry.get("limit") or 0), _backoff(retry.get("backoff"))
    required = {name: None for piece in pieces for name in piece.required}
    return Ready(whole, spec_hash(run), retries, backoff, tuple(required))


@dataclasses.dataclass(frozen=True, slots=True)
class _Piece:
    """A run or a step of it: its effective spec, task and inputs."""

    step: str
    spec: JSON
    task: JSON
    inputs: "_Inputs"
    references: Sequence[effective_pod.Reference]

    @property
    def required(self) -> tuple[str, ...]:
        return tuple(json_access.at(self.task, "contract", "requiredParameters") or ())


def implementation_names(run: JSON) -> tuple[str, ...]:
    """Return the names of the ImplementationSpecs of a run and its steps."""
    spec = run.get("spec") or {}
    named = (
        json_access.at(own, "implementation", "specRef", "name")
        for _, own in (("", spec), *effective_pod.steps(spec))
    )
    return tuple({str(name): None for name in named if name})


@dataclasses.dataclass(frozen=True, slots=True)
class _Inputs:
    """The resolved parameters.

    Attributes:
        values: Known values.
        variables: Environment variables of the runner with the other values.
    """

    values: Mapping[str, str]
    variables: Mapping[str, str]

    def has(self, name: str) -> bool:
        """Return whether the parameter has a value, or will have one."""
        return bool(self.values.get(name)) or name in self.variables


def _piece(step: str, spec: JSON, related: Related) -> _Piece:
    task = _task(spec, related)
    references = run_inputs.references(json_access.at(related.agent, "spec", "env"), spec)
    inputs = _inputs(task, spec.get("parameters") or (), _variables(references))
    return _Piece(step, spec, task, inputs, references)


def _variables(references: Sequence[effective_pod.Reference]) -> dict[str, str]:
    """Return the pod's environment variables with values of inputs."""
    return {one.name: effective_pod.variable(at) for at, one in enumerate(references)}


def _piece_refused(run: JSON, agent: JSON, piece: _Piece) -> Refused | None:
    """Reject a task whose source the agent does not allow, or that lacks required parameters."""
    at = f" of step {piece.step!r}" if piece.step else ""
    source = json_access.at(piece.task, "source", "provider")
    allowed = json_access.at(agent, "spec", "policy", "sourceProviders") or {}
    if allowed.get("mode") == "AllowListed" and source not in (allowed.get("allowed") or ()):
        return Refused(
            Reason.SOURCE_NOT_ALLOWED,
            f"expected a task{at} from a source in {allowed.get('allowed') or []}, which agent "
            f"{agent_name(run)!r} allows, got source {source!r}",
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
    found = [str(one) for one in workflows.problems(spec)]
    return Refused(Reason.INVALID_SPEC, _shown(found)) if found else None


def _shown(found: Sequence[str]) -> str:
    """Join the first problems and the number of the others: statuses are for people."""
    more = [f"and {len(found) - MAX_REFUSALS} more"] if len(found) > MAX_REFUSALS else []
    return "; ".join([*found[:MAX_REFUSALS], *more])


def _missing(run: JSON, related: Related) -> Waiting | Refused | None:
    """Return the first missing reference; it may still be created."""
    name = agent_name(run)
    if related.agent is None:
        return Waiting(Reason.MISSING_AGENT, f"expected Agent {name!r}, which does not exist yet")
    provider = json_access.at(related.agent, "spec", "providerRef", "name")
    if related.provider is None:
        return Waiting(
            Reason.MISSING_PROVIDER,
            f"expected AgentProvider {provider!r} of agent {name!r}, which does not exist yet",
        )
    for reference in implementation_names(run):
        if related.implementations.get(reference) is None:
            return Waiting(
                Reason.MISSING_IMPLEMENTATION,
                f"expected ImplementationSpec {reference!r}, which does not exist yet",
            )
    memory = memory_name(run, related.agent)
    if memory and related.memory is None:
        return Waiting(
            Reason.MISSING_MEMORY, f"expected Memory {memory!r}, which does not exist yet"
        )
    return None


def memory_name(run: JSON, agent: JSON) -> str:
    """Return the name of the run's memory, or else its agent's; empty if neither has one."""
    found = json_access.at(run, "spec", "memoryRef", "name") or json_access.at(
        agent, "spec", "memoryRef", "name"
    )
    return str(found or "")


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
    found = policy.refusals(run, context)
    if not found:
        return None
    shown = _shown([str(one.problem) for one in found])
    return Refused(_REASONS.get(found[0].topic, Reason.POD_NOT_ALLOWED), shown)


# -------------------------------------------------------------------------------- the work itself


def _task(spec: JSON, related: Related) -> JSON:
    """Return the task, given inline or by reference."""
    inline = json_access.at(spec, "implementation", "inline")
    if inline is not None:
        return inline
    reference = json_access.at(spec, "implementation", "specRef", "name")
    return json_access.at(related.implementations.get(reference), "spec") or {}


@dataclasses.dataclass(frozen=True, slots=True)
class _Variable:
    """An environment variable with a value that only the runner knows."""

    name: str


def _inputs(task: JSON, parameters: Sequence[JSON], variables: Mapping[str, str]) -> _Inputs:
    """Resolve the parameters, including those from the task's source and aliases."""
    given: dict[str, str | _Variable] = {}
    for one in parameters:
        variable = variables.get(one["name"]) if one.get("valueFrom") else None
        given[one["name"]] = _Variable(variable) if variable else str(one.get("value") or "")
    source = task.get("source") or {}
    where, _, number = str(source.get("externalId") or "").partition("#")
    derived = {"issueTitle": task.get("summary"), "issueUrl": source.get("url")}
    if source.get("provider") == "GitHub" and number:
        derived |= {"repository": where, "issueNumber": number}
    aliases = [*ALIASES.items()]
    aliases += [
        (one["from"], one["to"]) for one in json_access.at(task, "contract", "aliases") or ()
    ]
    for name, to in aliases:
        if given.get(name) and not given.get(to):
            given[to] = given[name]
    for name, value in derived.items():
        if value and not given.get(name):
            given[name] = str(value)
    return _Inputs(
        {name: one for name, one in given.items() if isinstance(one, str)},
        {name: one.name for name, one in given.items() if isinstance(one, _Variable)},
    )


def _work(run: JSON, related: Related, piece: _Piece, attempt: int, pods: Pods) -> Work:
    spec, metadata, task, inputs = piece.spec, run["metadata"], piece.task, piece.inputs
    defaults = json_access.at(related.agent, "spec", "runDefaults") or {}
    provider = json_access.at(related.provider, "spec") or {}
    provider_name = json_access.at(related.agent, "spec", "providerRef", "name")
    prompt = defaults.get("systemPrompt")
    inline = json_access.at(prompt, "inline")
    goal = spec.get("goal")
    return Work(
        namespace=metadata["namespace"],
        run=metadata["name"],
        uid=metadata["uid"],
        attempt=attempt,
        spec=spec,
        provider=provider,
        run_json=json_access.present(
            {
                "provider": provider_name,
                "agentRun": {key: metadata[key] for key in ("name", "uid", "namespace")},
                "implementation": task,
                "parameters": dict(inputs.values),
                "parametersFrom": dict(inputs.variables) or None,
                "memory": _memory(related.memory),
                "artifacts": provider.get("outputArtifacts") or [],
                "vcs": spec.get("vcs"),
                "goal": goal,
                "loop": _loop(spec),
                "systemPrompt": inline,
                "prompt": task.get("text"),
                **{key: inputs.values.get(key) for key in EVENT_KEYS},
            }
        ),
        runner_json=_runner_json(str(provider_name), provider, piece, related.agent),
        system_prompt=prompt,
        system_prompt_hash=naming.sha256(inline) if inline else "",
        timeout_seconds=json_access.seconds(defaults.get("timeout")) or None,
        start_timeout_seconds=_start_seconds(spec, defaults, pods),
        step=piece.step,
        references=piece.references,
        pods=pods,
    )


def _start_seconds(spec: JSON, defaults: JSON, pods: Pods) -> int | None:
    """Return the start timeout of a pod; other runtimes have their own timeouts."""
    if json_access.at(spec, "runtime", "type") not in {"Job", "Workflow"}:
        return None
    given = json_access.seconds(defaults.get("startTimeout"))
    return (json_access.seconds(pods.start_timeout) if given is None else given) or None


def _control_path(spec: JSON) -> str | None:
    """Return the path at which a step with a loop condition writes whether to continue."""
    condition = json_access.at(spec, "loop", "while") or {}
    given = json_access.at(condition, "control", "path") or effective_pod.CONTROL_JSON
    return str(given) if condition.get("cel") else None


def _loop(spec: JSON) -> JSON:
    """Return the loop state volumes of a repeated step."""
    chosen = json_access.at(spec, "loop", "state", "volumes") or ()
    volumes = json_access.at(spec, "workload", "volumes") or ()
    paths = {one["name"]: one["mountPath"] for one in volumes}
    state = [{"name": one, "mountPath": paths[one]} for one in chosen if one in paths]
    return {"state": state} if state else None


def _runner_json(provider_name: str, provider: JSON, piece: _Piece, agent: JSON) -> dict[str, JSON]:
    """Return the agent-runner's input; see docs/runner.md."""
    adapter = provider.get("adapter") or {}
    is_exec = adapter.get("type") == "Exec"
    settings = (
        {"exec": _exec(adapter.get("exec") or {}, provider)}
        if is_exec
        else {"codex": _codex(adapter.get("codexAppServer") or {})}
    )
    spec, inputs = piece.spec, piece.inputs
    env = {
        one["name"]: one.get("value") or "" for one in json_access.at(agent, "spec", "env") or ()
    }
    known = {**env, **inputs.values}
    # Values from parameters take precedence over the agent's variables, wherever they are.
    later = {**_variables(piece.references), **inputs.variables}
    later = {name: one for name, one in later.items() if name not in inputs.values}
    return json_access.present(
        {
            "schemaVersion": RUNNER_SCHEMA,
            "provider": provider_name,
            "config": json_access.at(agent, "spec", "config"),
            "inputs": {name: one for name, one in known.items() if name not in later},
            "inputsFrom": later or None,
            "goal": spec.get("goal"),
            "artifacts": json_access.present(
                {
                    "logRetentionSeconds": json_access.seconds(
                        json_access.at(spec, "runtime", "logRetention")
                    ),
                    "loopControlPath": _control_path(spec),
                }
            ),
            "providerSpec": {"outputArtifacts": provider.get("outputArtifacts") or []},
            "adapter": {"type": "exec" if is_exec else "codex-app-server", **settings},
        }
    )


def _exec(settings: JSON, provider: JSON) -> dict[str, JSON]:
    """Return the exec adapter's settings, with the provider's as defaults."""
    runner = provider.get("runner") or {}
    env = settings.get("env") or ()
    return json_access.present(
        {
            "binary": settings.get("binary") or runner.get("command"),
            "args": settings.get("args") or runner.get("args") or [],
            "env": {one["name"]: one["value"] for one in env},
            "files": settings.get("files") or [],
            "outputArtifacts": settings.get("outputArtifacts") or [],
        }
    )


def _codex(settings: JSON) -> dict[str, JSON]:
    """Return the app server's settings; the runner expects milliseconds."""
    patience = json_access.seconds(settings.get("bootstrapTimeout"))
    kept = {name: settings[name] for name in settings if name != "bootstrapTimeout"}
    return json_access.present({**kept, "bootstrapTimeoutMs": patience and patience * 1000})


def _memory(memory: JSON) -> JSON:
    if memory is None:
        return None
    spec = memory.get("spec") or {}
    return {
        "type": spec.get("type"),
        "connectionRef": json_access.at(spec, "connection", "secretKeyRef"),
    }


def _backoff(given: JSON) -> Backoff:
    """Return an agent's backoff, with the documented defaults."""
    whole, chosen = Backoff(), given or {}
    return Backoff(
        json_access.seconds(chosen.get("base")) or whole.base_seconds,
        json_access.seconds(chosen.get("max")) or whole.max_seconds,
        chosen.get("jitterPercent", whole.jitter * 100) / 100,
    )
