"""The contents of agent-runner.json and run.json. Pure: reads no file.

Unknown fields are ignored, so that the contract can grow; known fields must have their types.
"""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Final, TypeVar

import msgspec

from controllers.runner import errors
from controllers.runner.errors import JSON

SCHEMA_VERSION: Final = "agents.proompteng.ai/runner/v1"
CODEX: Final = "codex-app-server"
EXEC: Final = "exec"

_Name = Annotated[str, msgspec.Meta(min_length=1)]
_Count = Annotated[int, msgspec.Meta(ge=1)]


class _Wire(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A JSON object with camelCase names."""


class Artifact(_Wire, frozen=True):
    """A file that the agent produces; its fields are templates."""

    name: _Name
    path: str | None = None
    key: str | None = None
    url: str | None = None


class File(_Wire, frozen=True):
    """A file that is written before the agent starts; both fields are templates."""

    path: _Name
    content: str = ""


class Variable(_Wire, frozen=True):
    """An environment variable; the value is a template."""

    name: str
    value: str = ""


class Goal(_Wire, frozen=True, omit_defaults=True):
    """The goal of the agent."""

    objective: str | None = None
    token_budget: _Count | None = None


class Program(_Wire, frozen=True):
    """A program. `argsTemplate`, `envTemplate` and `inputFiles` are v1alpha1 names."""

    binary: str | None = None
    args: list[str] | None = None
    env: dict[str, str] | list[Variable] | None = None
    files: list[File] | None = None
    output_artifacts: list[Artifact] | None = None
    args_template: list[str] | None = None
    env_template: dict[str, str] | None = None
    input_files: list[File] | None = None


class Codex(_Wire, frozen=True):
    """Settings of `codex app-server`; all texts except the program's path are templates."""

    binary_path: str | None = None
    cli_config_overrides: list[str] | None = None
    cwd: str | None = None
    model: str | None = None
    effort: str | None = None
    sandbox: str | None = None
    approval: str | None = None
    prompt: str | None = None
    base_instructions: str | None = None
    developer_instructions: str | None = None
    thread_id: str | None = None
    thread_config: dict[str, JSON] | None = None
    goal: Goal | None = None
    bootstrap_timeout_ms: _Count | None = None
    experimental_raw_events: bool | None = None
    persist_extended_history: bool | None = None


class Adapter(_Wire, frozen=True):
    """Adapter of the agent."""

    type: str
    exec: Program | None = None
    codex: Codex | None = None


class Artifacts(_Wire, frozen=True, omit_defaults=True):
    """Paths of the runner's files."""

    status_path: str | None = None
    log_path: str | None = None
    loop_control_path: str | None = None
    log_retention_seconds: int | None = None


class Spec(_Wire, frozen=True):
    """agent-runner.json."""

    provider: _Name
    adapter: Adapter
    schema_version: str | None = None
    config: dict[str, JSON] | None = None
    inputs: dict[str, JSON] | None = None
    inputs_from: dict[str, str] | None = None
    payloads: dict[str, JSON] | None = None
    observability: dict[str, JSON] | None = None
    goal: Goal | None = None
    artifacts: Artifacts | None = None
    provider_spec: Program | None = None


class Implementation(_Wire, frozen=True):
    """The task."""

    text: str | None = None
    summary: str | None = None


class Run(_Wire, frozen=True):
    """run.json, as far as the runner uses it."""

    prompt: str | None = None
    implementation: Implementation | None = None
    issue_body: str | None = None
    goal: Goal | None = None
    system_prompt: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Command:
    """The program of the adapter `exec`, with unrendered templates."""

    binary: str
    args: tuple[str, ...]
    variables: tuple[tuple[str, str], ...]
    files: tuple[File, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """Location of agent-runner.json: a file, or its text in the environment."""

    path: str | None = None
    text: str | None = None


def locate(arguments: Sequence[str], environment: Mapping[str, str]) -> Place:
    """Return the location of the spec: the first argument, or a variable with its path or text.

    Raises:
        UsageError: There is none, or there are more arguments.
    """
    if len(arguments) > 1 or any(argument.startswith("-") for argument in arguments):
        raise errors.UsageError(
            "expected no argument but the path of agent-runner.json, got "
            + errors.quoted(" ".join(arguments))
        )
    if path := "".join(arguments) or environment.get("AGENT_RUNNER_SPEC_PATH"):
        return Place(path=path)
    if text := environment.get("AGENT_RUNNER_SPEC"):
        return Place(text=text)
    raise errors.UsageError(
        "expected agent-runner.json as an argument, in AGENT_RUNNER_SPEC_PATH or in "
        "AGENT_RUNNER_SPEC, got none of them"
    )


def decode(data: bytes, source: str) -> Spec:
    """Parse the spec.

    Args:
        data: JSON.
        source: Name of the file or variable, for messages.

    Raises:
        SpecError: It is invalid JSON, or has other types, versions or adapters.
    """
    spec = _decoded(data, Spec, source)
    if spec.schema_version not in {None, SCHEMA_VERSION}:
        got = errors.quoted(spec.schema_version or "")
        raise _wrong(source, SCHEMA_VERSION, got, "schemaVersion")
    if spec.adapter.type not in {CODEX, EXEC}:
        raise _wrong(source, f"{CODEX} or {EXEC}", errors.quoted(spec.adapter.type), "adapter.type")
    path = (spec.payloads or {}).get("eventFilePath")
    if path is not None and not isinstance(path, str):
        raise _wrong(source, "str", type(path).__name__, "payloads.eventFilePath")
    if spec.adapter.type == EXEC and not _parts(spec, "binary"):
        raise _wrong(source, "a program", "none", "adapter.exec.binary")
    return spec


def with_variables(spec: Spec, environment: Mapping[str, str], source: str) -> Spec:
    """Return the spec including inputs from environment variables.

    Raises:
        SpecError: A variable is not set.
    """
    inputs = dict(spec.inputs or {})
    for name, variable in (spec.inputs_from or {}).items():
        if variable not in environment:
            where = f"inputsFrom.{name}"
            raise _wrong(source, f"the variable {errors.quoted(variable)}", "none", where)
        # A Secret may contain any bytes; an input is text.
        value = environment[variable].encode(errors="surrogateescape")
        inputs[name] = value.decode(errors="replace")
    return msgspec.structs.replace(spec, inputs=inputs)


def decode_run(data: bytes, source: str) -> Run:
    """Parse the run; arguments and errors as for `decode`."""
    return _decoded(data, Run, source)


def command(spec: Spec) -> Command:
    """Return the program of the adapter `exec`, with the provider's as default."""
    env = _parts(spec, "env", "env_template") or {}
    pairs = env.items() if isinstance(env, dict) else ((item.name, item.value) for item in env)
    return Command(
        _parts(spec, "binary"),
        tuple(_parts(spec, "args", "args_template") or ()),
        tuple(pairs),
        tuple(_parts(spec, "files", "input_files") or ()),
    )


def artifacts(spec: Spec) -> tuple[Artifact, ...]:
    """Return the declared artifacts; those of the adapter override the provider's."""
    declared = [
        artifact
        for program in (spec.provider_spec, spec.adapter.exec)
        for artifact in (program.output_artifacts if program else None) or ()
    ]
    return tuple({artifact.name: artifact for artifact in declared}.values())


def goal(*goals: Goal | None) -> Goal:
    """Merge goals; later fields take precedence."""
    known = [each for each in goals if each is not None]
    return Goal(
        objective=next((each.objective for each in reversed(known) if each.objective), None),
        token_budget=next(
            (each.token_budget for each in reversed(known) if each.token_budget), None
        ),
    )


def names(
    spec: Spec, aim: Goal, *, status_path: str, log_path: str, event_path: str
) -> dict[str, JSON]:
    """Return the values for templates."""
    stated = msgspec.to_builtins(spec.artifacts or Artifacts())
    return {
        "config": spec.config or {},
        "inputs": spec.inputs or {},
        "payloads": {**(spec.payloads or {}), "eventFilePath": event_path},
        "observability": spec.observability or {},
        "artifacts": {**stated, "statusPath": status_path, "logPath": log_path},
        "goal": msgspec.to_builtins(aim),
    }


def _parts(spec: Spec, *fields: str) -> JSON:
    """Return the first field that is set in the adapter, or else the provider."""
    for program in (spec.adapter.exec, spec.provider_spec):
        for field in fields:
            value = getattr(program, field, None)
            if value is not None:
                return value
    return None


_Document = TypeVar("_Document", bound=_Wire)

# Format of msgspec: «Expected `int`, got `str` - at `$.goal.tokenBudget`».
_AT = re.compile(r" - at `(?:\$\.?)?(.*)`$")
_MISSING = re.compile(r"^Object missing required field `(.*)`$")


def _decoded(data: bytes, document: type[_Document], source: str) -> _Document:
    try:
        return msgspec.json.decode(data, type=document)
    except msgspec.ValidationError as error:
        raise errors.SpecError(f"{source}: {_in_our_words(str(error))}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise errors.SpecError(f"{source}: expected JSON, got another format: {error}") from error


def _in_our_words(message: str) -> str:
    location = _AT.search(message)
    what, where = (message[: location.start()], location[1]) if location else (message, "")
    if missing := _MISSING.match(what):
        what = f"expected the field {missing[1]}, got none"
    elif ", got" not in what:
        what = f"{what}, got another value"
    what = what.replace("`", "").replace("Expected", "expected", 1)
    return f"{what}, at {where}" if where else what


def _wrong(source: str, expected: str, got: str, where: str) -> errors.SpecError:
    return errors.SpecError(f"{source}: expected {expected}, got {got}, at {where}")
