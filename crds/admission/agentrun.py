"""AgentRun: defaults that depend on other fields."""

from schemagen import Facts, Rules
from schemagen.problems import JSON

# What agentctl has always submitted for a workflow without steps.
ONE_STEP = {"name": "implement"}


def default(run: JSON, facts: Facts) -> JSON:
    """The run with a step if its workflow has none, and a VCS mode if it names a provider."""
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


RULES = Rules(default=default)
