"""From a run and what it refers to, the work that a runtime carries out; or why not. Pure.

Policies were looked at when the run was created; they are looked at again here, because agents
change, and because who writes past the webhooks must not get past them.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from controllers.runs import naming, values
from controllers.runs.retries import Backoff
from controllers.runs.runtimes.base import JSON, Work
from controllers.runs.words import Reason
from crds.admission import agentrun as agentrun_rules
from crds.admission import effective_pod, policy, workflows
from crds.admission import inputs as run_inputs
from crds.admission import settings as settings_
from crds.admission.settings import Pods, Settings

RUNNER_SCHEMA: Final = "agents.proompteng.ai/runner/v1"
# What every implementation may call its parameters; each fills only an empty target.
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
    """What a run refers to; None is what is not there.

    Attributes:
        agent: The Agent, whole.
        provider: The AgentProvider of that agent.
        implementations: By name, the ImplementationSpecs that the run and its steps name.
        memory: The Memory that the run or its agent names.
    """

    agent: JSON = None
    provider: JSON = None
    implementations: Mapping[str, JSON] = dataclasses.field(default_factory=dict)
    memory: JSON = None


@dataclasses.dataclass(frozen=True, slots=True)
class Ready:
    """The run can start.

    Attributes:
        work: Its first or next attempt.
        spec_hash: Of all that may not change any more.
        retries: After the first attempt.
        backoff: Before each retry.
        required: Parameters that the implementation needs.
    """

    work: Work
    spec_hash: str
    retries: int = 0
    backoff: Backoff = dataclasses.field(default_factory=Backoff)
    required: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Waiting:
    """Something is missing that may still come."""

    reason: Reason
    message: str


@dataclasses.dataclass(frozen=True, slots=True)
class Refused:
    """The run can never start as it is."""

    reason: Reason
    message: str
    missing: tuple[str, ...] = ()


Inputs: TypeAlias = Ready | Waiting | Refused


def agent_name(run: JSON) -> str:
    """The agent that a run names."""
    return str(values.at(run, "spec", "agentRef", "name") or "")


def spec_hash(run: JSON) -> str:
    """SHA-256 of what an accepted run keeps: all of its spec that may not change."""
    spec = run.get("spec") or {}
    kept = {name: spec[name] for name in spec if name not in agentrun_rules.MAY_CHANGE}
    return naming.digest(kept)


def prepare(
    run: JSON, related: Related, attempt: int, settings: Settings = settings_.DEFAULTS
) -> Inputs:
    """The work of an attempt, or what keeps it from starting.

    Args:
        run: The AgentRun, whole (v1beta1).
        related: What it refers to.
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
    retry = values.at(agent, "spec", "runDefaults", "retry") or {}
    retries, backoff = int(retry.get("limit") or 0), _backoff(retry.get("backoff"))
    required = {name: None for piece in pieces for name in piece.required}
    return Ready(whole, spec_hash(run), retries, backoff, tuple(required))


@dataclasses.dataclass(frozen=True, slots=True)
class _Piece:
    """A run, or a step of it: the spec that holds for it, its task, and its inputs."""

    step: str
    spec: JSON
    task: JSON
    inputs: "_Inputs"
    references: Sequence[effective_pod.Reference]

    @property
    def required(self) -> tuple[str, ...]:
        return tuple(values.at(self.task, "contract", "requiredParameters") or ())


def implementation_names(run: JSON) -> tuple[str, ...]:
    """The ImplementationSpecs that a run and its steps name."""
    spec = run.get("spec") or {}
    named = (
        values.at(own, "implementation", "specRef", "name")
        for _, own in (("", spec), *effective_pod.steps(spec))
    )
    return tuple({str(name): None for name in named if name})


@dataclasses.dataclass(frozen=True, slots=True)
class _Inputs:
    """The parameters, with what was made of them.

    Attributes:
        values: Those that are known.
        variables: Where the runner finds the others.
    """

    values: Mapping[str, str]
    variables: Mapping[str, str]

    def has(self, name: str) -> bool:
        """Whether there is a value, or will be."""
        return bool(self.values.get(name)) or name in self.variables


def _piece(step: str, spec: JSON, related: Related) -> _Piece:
    task = _task(spec, related)
    references = run_inputs.references(values.at(related.agent, "spec", "env"), spec)
    inputs = _inputs(task, spec.get("parameters") or (), _variables(references))
    return _Piece(step, spec, task, inputs, references)


def _variables(references: Sequence[effective_pod.Reference]) -> dict[str, str]:
    """The variables of a pod that have the values of inputs."""
    return {one.name: effective_pod.variable(at) for at, one in enumerate(references)}


def _piece_refused(run: JSON, agent: JSON, piece: _Piece) -> Refused | None:
    """A task from a source that the agent does not allow, or without what it needs."""
    at = f" of step {piece.step!r}" if piece.step else ""
    source = values.at(piece.task, "source", "provider")
    allowed = values.at(agent, "spec", "policy", "sourceProviders") or {}
    if allowed.get("mode") == "AllowListed" and source not in (allowed.get("allowed") or ()):
        return Refused(
            Reason.SOURCE_NOT_ALLOWED,
            f"expected a task{at} from one of {allowed.get('allowed') or []}, which agent "
            f"{agent_name(run)!r} allows, got one from {source!r}",
        )
    lacking = tuple(name for name in piece.required if not piece.inputs.has(name))
    if not lacking:
        return None
    message = (
        f"expected parameters {', '.join(piece.required)}, which the implementation{at} needs; "
        f"missing: {', '.join(lacking)}"
    )
    return Refused(Reason.MISSING_REQUIRED_METADATA, message, lacking)


# ------------------------------------------------------------------ what is missing or refused


def _invalid(spec: JSON) -> Refused | None:
    """What a schema cannot say, of runs that were written past the webhooks or in v1alpha1."""
    found = [str(one) for one in workflows.problems(spec)]
    return Refused(Reason.INVALID_SPEC, _shown(found)) if found else None


def _shown(found: Sequence[str]) -> str:
    """The first problems, and how many more there are: a status is read by people."""
    more = [f"and {len(found) - MAX_REFUSALS} more"] if len(found) > MAX_REFUSALS else []
    return "; ".join([*found[:MAX_REFUSALS], *more])


def _missing(run: JSON, related: Related) -> Waiting | Refused | None:
    """The first reference that leads nowhere; it may still be created."""
    name = agent_name(run)
    if related.agent is None:
        return Waiting(Reason.MISSING_AGENT, f"expected Agent {name!r}, which is not there yet")
    provider = values.at(related.agent, "spec", "providerRef", "name")
    if related.provider is None:
        return Waiting(
            Reason.MISSING_PROVIDER,
            f"expected AgentProvider {provider!r} of agent {name!r}, which is not there yet",
        )
    for reference in implementation_names(run):
        if related.implementations.get(reference) is None:
            return Waiting(
                Reason.MISSING_IMPLEMENTATION,
                f"expected ImplementationSpec {reference!r}, which is not there yet",
            )
    memory = memory_name(run, related.agent)
    if memory and related.memory is None:
        return Waiting(Reason.MISSING_MEMORY, f"expected Memory {memory!r}, which is not there yet")
    return None


def memory_name(run: JSON, agent: JSON) -> str:
    """The memory that a run uses: its own, or its agent's; empty if neither names one."""
    found = values.at(run, "spec", "memoryRef", "name") or values.at(
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
    """What the operator's policy or the agent's does not allow of the run and its pods."""
    found = policy.refusals(run, context)
    if not found:
        return None
    shown = _shown([str(one.problem) for one in found])
    return Refused(_REASONS.get(found[0].topic, Reason.POD_NOT_ALLOWED), shown)


# -------------------------------------------------------------------------------- the work itself


def _task(spec: JSON, related: Related) -> JSON:
    """What is to be built: written out, or by reference."""
    inline = values.at(spec, "implementation", "inline")
    if inline is not None:
        return inline
    reference = values.at(spec, "implementation", "specRef", "name")
    return values.at(related.implementations.get(reference), "spec") or {}


@dataclasses.dataclass(frozen=True, slots=True)
class _Variable:
    """Where the runner finds a value that is known to nobody else."""

    name: str


def _inputs(task: JSON, parameters: Sequence[JSON], variables: Mapping[str, str]) -> _Inputs:
    """The parameters, what the source of the task says, and what aliases make of both."""
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
    aliases += [(one["from"], one["to"]) for one in values.at(task, "contract", "aliases") or ()]
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
    defaults = values.at(related.agent, "spec", "runDefaults") or {}
    provider = values.at(related.provider, "spec") or {}
    provider_name = values.at(related.agent, "spec", "providerRef", "name")
    prompt = defaults.get("systemPrompt")
    inline = values.at(prompt, "inline")
    goal = spec.get("goal")
    return Work(
        namespace=metadata["namespace"],
        run=metadata["name"],
        uid=metadata["uid"],
        attempt=attempt,
        spec=spec,
        provider=provider,
        run_json=values.present(
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
        timeout_seconds=values.seconds(defaults.get("timeout")) or None,
        start_timeout_seconds=_start_seconds(spec, defaults, pods),
        step=piece.step,
        references=piece.references,
        pods=pods,
    )


def _start_seconds(spec: JSON, defaults: JSON, pods: Pods) -> int | None:
    """How long a pod may take to run; other runtimes have timeouts of their own."""
    if values.at(spec, "runtime", "type") not in {"Job", "Workflow"}:
        return None
    given = values.seconds(defaults.get("startTimeout"))
    return (values.seconds(pods.start_timeout) if given is None else given) or None


def _control_path(spec: JSON) -> str | None:
    """Where a step that has a condition says whether it goes on."""
    condition = values.at(spec, "loop", "while") or {}
    given = values.at(condition, "control", "path") or effective_pod.CONTROL_JSON
    return str(given) if condition.get("cel") else None


def _loop(spec: JSON) -> JSON:
    """What a step that is repeated finds of its loop: where its state is."""
    chosen = values.at(spec, "loop", "state", "volumes") or ()
    volumes = values.at(spec, "workload", "volumes") or ()
    paths = {one["name"]: one["mountPath"] for one in volumes}
    state = [{"name": one, "mountPath": paths[one]} for one in chosen if one in paths]
    return {"state": state} if state else None


def _runner_json(provider_name: str, provider: JSON, piece: _Piece, agent: JSON) -> dict[str, JSON]:
    """What the agent-runner reads; see docs/runner.md."""
    adapter = provider.get("adapter") or {}
    is_exec = adapter.get("type") == "Exec"
    settings = (
        {"exec": _exec(adapter.get("exec") or {}, provider)}
        if is_exec
        else {"codex": _codex(adapter.get("codexAppServer") or {})}
    )
    spec, inputs = piece.spec, piece.inputs
    env = {one["name"]: one.get("value") or "" for one in values.at(agent, "spec", "env") or ()}
    known = {**env, **inputs.values}
    # What is made of the parameters goes before the agent's variables, wherever values are.
    later = {**_variables(piece.references), **inputs.variables}
    later = {name: one for name, one in later.items() if name not in inputs.values}
    return values.present(
        {
            "schemaVersion": RUNNER_SCHEMA,
            "provider": provider_name,
            "config": values.at(agent, "spec", "config"),
            "inputs": {name: one for name, one in known.items() if name not in later},
            "inputsFrom": later or None,
            "goal": spec.get("goal"),
            "artifacts": values.present(
                {
                    "logRetentionSeconds": values.seconds(
                        values.at(spec, "runtime", "logRetention")
                    ),
                    "loopControlPath": _control_path(spec),
                }
            ),
            "providerSpec": {"outputArtifacts": provider.get("outputArtifacts") or []},
            "adapter": {"type": "exec" if is_exec else "codex-app-server", **settings},
        }
    )


def _exec(settings: JSON, provider: JSON) -> dict[str, JSON]:
    """The exec adapter's settings; what is absent is the provider's."""
    runner = provider.get("runner") or {}
    env = settings.get("env") or ()
    return values.present(
        {
            "binary": settings.get("binary") or runner.get("command"),
            "args": settings.get("args") or runner.get("args") or [],
            "env": {one["name"]: one["value"] for one in env},
            "files": settings.get("files") or [],
            "outputArtifacts": settings.get("outputArtifacts") or [],
        }
    )


def _codex(settings: JSON) -> dict[str, JSON]:
    """The app server's settings; the runner counts its patience in milliseconds."""
    patience = values.seconds(settings.get("bootstrapTimeout"))
    kept = {name: settings[name] for name in settings if name != "bootstrapTimeout"}
    return values.present({**kept, "bootstrapTimeoutMs": patience and patience * 1000})


def _memory(memory: JSON) -> JSON:
    if memory is None:
        return None
    spec = memory.get("spec") or {}
    return {
        "type": spec.get("type"),
        "connectionRef": values.at(spec, "connection", "secretKeyRef"),
    }


def _backoff(given: JSON) -> Backoff:
    """An agent's backoff; what is absent is as documented there."""
    whole, chosen = Backoff(), given or {}
    return Backoff(
        values.seconds(chosen.get("base")) or whole.base_seconds,
        values.seconds(chosen.get("max")) or whole.max_seconds,
        chosen.get("jitterPercent", whole.jitter * 100) / 100,
    )
