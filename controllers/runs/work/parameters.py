"""The task and the parameters of a run or step. Pure."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Final

from controllers.runs import json_access
from controllers.runs.runtimes.base import JSON
from controllers.runs.work.related_objects import Related
from crds.admission import inputs as run_inputs
from crds.admission.pods import pod_sources

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


@dataclasses.dataclass(frozen=True, slots=True)
class Piece:
    """A run or a step of it: its effective spec, task and inputs."""

    step: str
    spec: JSON
    task: JSON
    inputs: "Parameters"
    references: Sequence[pod_sources.Reference]

    @property
    def required(self) -> tuple[str, ...]:
        """Parameters that the task requires."""
        return tuple(json_access.at(self.task, "contract", "requiredParameters") or ())


@dataclasses.dataclass(frozen=True, slots=True)
class Parameters:
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


def piece(step: str, spec: JSON, related: Related) -> Piece:
    """Return the run (an empty step) or a step with its task and parameters."""
    task = _task(spec, related)
    references = run_inputs.references(json_access.at(related.agent, "spec", "env"), spec)
    inputs = _resolved(task, spec.get("parameters") or (), variables(references))
    return Piece(step, spec, task, inputs, references)


def variables(references: Sequence[pod_sources.Reference]) -> dict[str, str]:
    """Return the pod's environment variables with values of inputs."""
    return {reference.name: pod_sources.variable(at) for at, reference in enumerate(references)}


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


def _resolved(task: JSON, parameters: Sequence[JSON], variables: Mapping[str, str]) -> Parameters:
    """Resolve the parameters, including those from the task's source and aliases."""
    given: dict[str, str | _Variable] = {}
    for parameter in parameters:
        variable = variables.get(parameter["name"]) if parameter.get("valueFrom") else None
        given[parameter["name"]] = (
            _Variable(variable) if variable else str(parameter.get("value") or "")
        )
    source = task.get("source") or {}
    where, _, number = str(source.get("externalId") or "").partition("#")
    derived = {"issueTitle": task.get("summary"), "issueUrl": source.get("url")}
    if source.get("provider") == "GitHub" and number:
        derived |= {"repository": where, "issueNumber": number}
    aliases = [*ALIASES.items()]
    aliases += [
        (alias["from"], alias["to"]) for alias in json_access.at(task, "contract", "aliases") or ()
    ]
    for name, to in aliases:
        if given.get(name) and not given.get(to):
            given[to] = given[name]
    for name, value in derived.items():
        if value and not given.get(name):
            given[name] = str(value)
    return Parameters(
        {name: resolved for name, resolved in given.items() if isinstance(resolved, str)},
        {
            name: resolved.name
            for name, resolved in given.items()
            if isinstance(resolved, _Variable)
        },
    )
