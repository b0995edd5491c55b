"""The work of an attempt, with the agent-runner's input; see docs/runner.md. Pure."""

from typing import Final

from controllers.runs import json_access, naming
from controllers.runs.runtimes.base import JSON, Work
from controllers.runs.work import parameters
from controllers.runs.work.parameters import Piece
from controllers.runs.work.related_objects import Related
from crds.admission.pods import pod_sources
from crds.admission.settings import Pods

RUNNER_SCHEMA: Final = "agents.proompteng.ai/runner/v1"
EVENT_KEYS: Final = (
    *("repository", "issueNumber", "issueTitle", "issueBody", "issueUrl", "base", "head", "stage"),
)


def build(run: JSON, related: Related, piece: Piece, attempt: int, pods: Pods) -> Work:
    """Return the work of a run or step."""
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
    given = json_access.at(condition, "control", "path") or pod_sources.CONTROL_JSON
    return str(given) if condition.get("cel") else None


def _loop(spec: JSON) -> JSON:
    """Return the loop state volumes of a repeated step."""
    chosen = json_access.at(spec, "loop", "state", "volumes") or ()
    volumes = json_access.at(spec, "workload", "volumes") or ()
    paths = {volume["name"]: volume["mountPath"] for volume in volumes}
    state = [{"name": name, "mountPath": paths[name]} for name in chosen if name in paths]
    return {"state": state} if state else None


def _runner_json(provider_name: str, provider: JSON, piece: Piece, agent: JSON) -> dict[str, JSON]:
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
        variable["name"]: variable.get("value") or ""
        for variable in json_access.at(agent, "spec", "env") or ()
    }
    known = {**env, **inputs.values}
    # Values from parameters take precedence over the agent's variables, wherever they are.
    later = {**parameters.variables(piece.references), **inputs.variables}
    later = {name: value for name, value in later.items() if name not in inputs.values}
    return json_access.present(
        {
            "schemaVersion": RUNNER_SCHEMA,
            "provider": provider_name,
            "config": json_access.at(agent, "spec", "config"),
            "inputs": {name: value for name, value in known.items() if name not in later},
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
            "env": {variable["name"]: variable["value"] for variable in env},
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
