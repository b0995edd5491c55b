"""Inputs of a run from Secrets and ConfigMaps, passed as variables of its pod. Pure."""

from collections.abc import Mapping
from typing import Final

from crds.admission import members
from crds.admission.pods import pod_sources
from crds.admission.pods.pod_sources import SPEC, Origin, Reference
from schemagen.problems import JSON

_STEPS: Final = (*SPEC, ".runtime", ".workflow", ".steps")


def references(
    env: JSON, spec: JSON, *, agent_name: str = "", step: JSON = None
) -> tuple[Reference, ...]:
    """Return the inputs from Secrets and ConfigMaps: an agent's variables, then parameters.

    Args:
        env: ``spec.env`` of the Agent; a parameter of the same name overrides a variable.
        spec: The run's ``spec``; for a workflow step, as merged by ``steps``.
        agent_name: Name of the Agent, for messages.
        step: The unmerged step, for messages.
    """
    parameters = {entry["name"]: entry for entry in members.items(spec, "parameters", "name")}
    own = {entry["name"] for entry in members.items(step or {}, "parameters", "name")}
    step_path = (*_STEPS, f"[{members.text(step or {}, 'name')}]")
    entries = [
        (entry, Origin(f"Agent {agent_name}", (*SPEC, ".env", f"[{entry['name']}]")))
        for entry in members.items({"env": env}, "env", "name")
        if entry["name"] not in parameters
    ]
    for name, entry in parameters.items():
        path = step_path if name in own else SPEC
        entries.append((entry, Origin("", (*path, ".parameters", f"[{name}]"))))
    return tuple(
        Reference(entry["name"], source, origin)
        for entry, origin in entries
        if (source := _key_source(members.at(entry, "valueFrom")))
    )


def _key_source(given: Mapping[str, JSON]) -> dict[str, JSON]:
    """Return a reference with only its name and key; empty without one."""
    arm = pod_sources.reference_field(given)
    if not arm:
        return {}
    chosen = members.at(given, arm)
    return {arm: {name: members.text(chosen, name) for name in ("name", "key")}}
