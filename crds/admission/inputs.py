"""Inputs of a run that are in Secrets and ConfigMaps: variables of its pod hand them over. Pure."""

from collections.abc import Mapping
from typing import Final

from crds.admission import effective_pod, members
from crds.admission.effective_pod import SPEC, Origin, Reference
from schemagen.problems import JSON

_STEPS: Final = (*SPEC, ".runtime", ".workflow", ".steps")


def references(
    env: JSON, spec: JSON, *, agent_name: str = "", step: JSON = None
) -> tuple[Reference, ...]:
    """The inputs that are in Secrets and ConfigMaps: an agent's variables, then parameters.

    Args:
        env: ``spec.env`` of the Agent, of which a parameter of the same name takes the place.
        spec: The run's ``spec``; of a workflow's step, as ``steps`` merges it.
        agent_name: For messages.
        step: The step as the run has it, likewise.
    """
    parameters = {one["name"]: one for one in members.items(spec, "parameters", "name")}
    own = {one["name"] for one in members.items(step or {}, "parameters", "name")}
    step_path = (*_STEPS, f"[{members.text(step or {}, 'name')}]")
    found = [
        (one, Origin(f"Agent {agent_name}", (*SPEC, ".env", f"[{one['name']}]")))
        for one in members.items({"env": env}, "env", "name")
        if one["name"] not in parameters
    ]
    for name, one in parameters.items():
        path = step_path if name in own else SPEC
        found.append((one, Origin("", (*path, ".parameters", f"[{name}]"))))
    return tuple(
        Reference(one["name"], source, origin)
        for one, origin in found
        if (source := _key_source(members.at(one, "valueFrom")))
    )


def _key_source(given: Mapping[str, JSON]) -> dict[str, JSON]:
    """A reference to a key, with nothing beside it; empty where there is none."""
    arm = effective_pod.arm_of(given)
    if not arm:
        return {}
    chosen = members.at(given, arm)
    return {arm: {name: members.text(chosen, name) for name in ("name", "key")}}
