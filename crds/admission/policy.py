"""Check a run against the policies of the operator and of its Agent. Pure.

The same rules apply to the names in the run itself and to the pods built from the run, its
AgentProvider, its Agent and its steps (``effective_pod``).
"""

import functools
from collections.abc import Iterator
from typing import Final, NamedTuple

import orjson

from crds.admission import inputs, members, names_policy, settings
from crds.admission.pods import effective_pod, pod_policy, pod_sources
from crds.admission.pods.effective_pod import EffectivePod
from crds.admission.pods.pod_sources import SPEC, Sources
from crds.admission.settings import Labels, Settings
from schemagen import FieldPath, Problem, Reason
from schemagen.problems import JSON

_AGENT_REF: Final = FieldPath().member("spec").member("agentRef").member("name")
_WITH_PODS: Final = ("Job", "Workflow")


class Refusal(NamedTuple):
    """A policy violation.

    Attributes:
        topic: Setting that is violated, such as ``images``; ``security`` for pod security.
        problem: Problem at a path of the run; its message names another object at fault.
    """

    topic: str
    problem: Problem


class Context(NamedTuple):
    """The policies and objects that apply to a run.

    Attributes:
        settings: Settings of the operator.
        agent: The run's Agent object; None if unknown.
        provider: The Agent's AgentProvider object; None if unknown.
    """

    settings: Settings
    agent: JSON = None
    provider: JSON = None


def refusals(run: JSON, context: Context) -> list[Refusal]:
    """Return the policy violations of a run, without duplicates."""
    spec, rules = run.get("spec"), context.settings.policy
    pods = _of_pods(spec, context)
    if rules is settings.DEFAULTS.policy and not _has_policy(context.agent):
        return [*pods]
    labels = (Refusal("labels", problem) for problem in label_problems(run, rules.labels))
    return [*dict.fromkeys((*labels, *_named(spec, context), *pods))]


def _has_policy(agent: JSON) -> bool:
    return agent is not None and "policy" in members.at(agent, "spec")


def label_problems(run: JSON, rules: Labels) -> Iterator[Problem]:
    """Yield the problems of a run's labels."""
    path = FieldPath().member("metadata").member("labels")
    given = members.at(run, "metadata", "labels")
    for key in rules.required:
        if key not in given:
            yield Problem(path.key(key), "expected this label on every run", Reason.REQUIRED)
    for key in given:
        why = names_policy.denial("labels", (key,), (key,), rules)
        if why:
            message = f"expected a label that is allowed, got one {why}"
            yield Problem(path.key(key), message, Reason.FORBIDDEN)


# ------------------------------------------------------------------------------------ its pods

# Runs of one agent mostly differ only in their task and have the same pods, so results are cached
# for this many inputs of at most this size (4 MiB in total).
_MAX_REMEMBERED: Final = 256
_MAX_REMEMBERED_BYTES: Final = 16 * 1024


_OF_AGENTS: Final = ("providerRef", "env", "policy", "runDefaults")


def _of_pods(spec: JSON, context: Context) -> tuple[Refusal, ...]:
    """Return the policy violations of a run's pods."""
    if members.text(members.at(spec, "runtime"), "type") not in _WITH_PODS:
        return ()
    agent = members.at(context.agent, "spec") if context.agent else {}
    given = [
        pod_sources.fields_of(spec),
        {name: agent[name] for name in _OF_AGENTS if name in agent},
        members.at(context.provider, "spec") if context.provider else {},
    ]
    question = _encoded(given)
    if len(question) > _MAX_REMEMBERED_BYTES:
        return _judged(spec, context)
    return _remembered(question, settings.encoded(context.settings))


def _encoded(value: JSON) -> bytes:
    """Encode a cache key, in key order; too long to be cached if the value cannot be encoded.

    orjson refuses more than 254 levels and integers above 64 bits.
    """
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        return bytes(_MAX_REMEMBERED_BYTES + 1)


@functools.lru_cache(maxsize=_MAX_REMEMBERED)
def _remembered(question: bytes, operator: bytes) -> tuple[Refusal, ...]:
    """Return the policy violations for a cache key and encoded settings."""
    spec, agent, provider = orjson.loads(question)
    return _judged(spec, Context(settings.decoded(operator), {"spec": agent}, {"spec": provider}))


def _judged(spec: JSON, context: Context) -> tuple[Refusal, ...]:
    violations = (
        refusal
        for sources in pods_of(spec, context)
        for refusal in _of_pod(effective_pod.build(sources), context)
    )
    return tuple(dict.fromkeys(violations))


def pods_of(spec: JSON, context: Context) -> Iterator[Sources]:
    """Yield the inputs of each distinct pod of a run."""
    prompt = members.at(context.agent, "spec", "runDefaults", "systemPrompt")
    workflow = members.at(spec, "runtime", "workflow")
    listed = {entry["name"]: entry for entry in members.items(workflow, "steps", "name")}
    known: set[tuple[int, tuple[tuple[str, str], ...]]] = set()
    for step, merged in pod_sources.steps(spec):
        workload = merged.get("workload")
        references = inputs.references(
            members.at(context.agent, "spec").get("env"),
            merged,
            agent_name=agent_name(spec),
            step=listed.get(step),
        )
        seen = (id(workload), tuple((entry.name, str(entry.source)) for entry in references))
        if seen in known:
            continue
        known.add(seen)
        yield Sources(
            spec=merged,
            provider=members.at(context.provider, "spec"),
            system_prompt=prompt or None,
            pods=context.settings.pods,
            step=step if workload is not spec.get("workload") else "",
            agent_name=agent_name(spec),
            provider_name=provider_name(context.agent),
            references=references,
        )


def _of_pod(pod: EffectivePod, context: Context) -> Iterator[Refusal]:
    refuse = functools.partial(_message, context)
    for topic, path, message in pod_policy.violations(pod.template, context.settings.pods, refuse):
        origin, place = pod.origin(path)
        if origin.is_operator:
            continue
        if not origin.owner:
            yield Refusal(topic, Problem(place, message, Reason.FORBIDDEN))
        else:
            yield Refusal(topic, _elsewhere(origin.owner, place, message))


def _elsewhere(owner: str, path: FieldPath, message: str) -> Problem:
    """Report a problem of another object at the run's field that refers to it."""
    return Problem(_AGENT_REF, f"{owner}: {path}: {message}", Reason.FORBIDDEN)


# ------------------------------------------------------------------ what a run names, and where

_NAMED_BY_RUNS: Final = (
    *("images", "secrets", "configMaps", "serviceAccounts", "persistentVolumeClaims"),
)


def _named(spec: JSON, context: Context) -> Iterator[Refusal]:
    """Yield violations of names in a run and in its Agent's variables, even if unused by a pod."""
    policy = context.settings.policy
    if not any(
        names_policy.is_limited(topic, policy) or names_policy.is_limited_by(topic, context.agent)
        for topic in _NAMED_BY_RUNS
    ):
        return
    for topic, path, name in names(spec):
        if message := _message(context, topic, name):
            yield Refusal(topic, Problem(FieldPath(path), message, Reason.FORBIDDEN))
    owner = f"Agent {agent_name(spec)}"
    for topic, path, name in names_policy.find_references(
        members.at(context.agent, "spec").get("env"), (*SPEC, ".env")
    ):
        if message := _message(context, topic, name):
            yield Refusal(topic, _elsewhere(owner, FieldPath(path), message))


def names(spec: JSON) -> Iterator[names_policy.NamedReference]:
    """Yield the names in a run that a setting governs."""
    for path, image in names_policy.walk_strings(spec, SPEC):
        if path[-2:] == (".workload", ".image"):
            yield "images", path, image
    yield from names_policy.find_references(spec, SPEC)


def _message(context: Context, topic: str, name: str) -> str:
    """Return why a name is not allowed; empty if allowed."""
    by_operator = names_policy.refusal(topic, name, context.settings.policy)
    return by_operator or names_policy.agent_refusal(topic, name, context.agent)


def secrets(spec: JSON) -> Iterator[tuple[FieldPath, str]]:
    """Yield every Secret that a run refers to, with its path."""
    for topic, path, name in names_policy.find_references(spec, SPEC):
        if topic == "secrets":
            yield FieldPath(path), name


def agent_name(spec: JSON) -> str:
    """Return the name of the Agent in the ``spec`` of a run."""
    return members.text(members.at(spec, "agentRef"), "name")


def provider_name(agent: JSON) -> str:
    """Return the name of an Agent's AgentProvider."""
    return members.text(members.at(agent, "spec", "providerRef"), "name")
