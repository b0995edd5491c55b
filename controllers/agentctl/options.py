"""Options shared by several commands, and options declared as a dataclass."""

import dataclasses
import functools
import inspect
import pathlib
import typing
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Final, TypeAlias

import typer

KUBECONFIG_VARIABLE: Final = "AGENTCTL_KUBECONFIG"
CONTEXT_VARIABLE: Final = "AGENTCTL_CONTEXT"
Kubeconfig: TypeAlias = Annotated[
    pathlib.Path | None,
    typer.Option(envvar=KUBECONFIG_VARIABLE, help="Kubeconfig file. \\[default: as kubectl]"),
]
Context: TypeAlias = Annotated[
    str,
    typer.Option(
        envvar=CONTEXT_VARIABLE,
        help="Kubeconfig context. \\[default: the current context]",
    ),
]
Namespace: TypeAlias = Annotated[
    str,
    typer.Option(
        "--namespace",
        "-n",
        envvar="AGENTCTL_NAMESPACE",
        help="Namespace. \\[default: the context's, else agents]",
    ),
]
Home: TypeAlias = Annotated[
    str, typer.Option(help="Namespace with the controller's Lease and ledger.")
]
DEFAULT_HOME = "agents"
OneNamespace: TypeAlias = Annotated[
    str | None,
    typer.Option("--namespace", "-n", help="Only objects in this namespace. \\[default: all]"),
]
Deadline: TypeAlias = Annotated[
    float, typer.Option(help="Seconds for each part of the cluster that is read.")
]
DEFAULT_DEADLINE = 10.0


def expanded(command: Callable[..., None]) -> Callable[..., None]:
    """Replace the parameters of a command that are dataclasses by their fields, as options.

    So a command's options are declared, described and passed on as one value. The types of the
    fields have typer's annotations, such as ``Annotated[int, typer.Option(help=...)]``.
    """
    hints = typing.get_type_hints(command, include_extras=True)
    models: dict[str, Any] = {
        name: hint for name, hint in hints.items() if dataclasses.is_dataclass(hint)
    }

    @functools.wraps(command)
    def call(**given: Any) -> None:
        for name, model in models.items():
            fields = [field.name for field in dataclasses.fields(model)]
            given[name] = model(**{field: given.pop(field) for field in fields})
        command(**given)

    parameters = inspect.signature(command).parameters.values()
    flat = [each for parameter in parameters for each in _flat(parameter, models, hints)]
    # Typer reads a command's signature.
    call.__signature__ = inspect.Signature(flat)  # type: ignore[attr-defined] # of functions, PEP 362
    return call


def _flat(
    parameter: inspect.Parameter, models: dict[str, Any], hints: dict[str, Any]
) -> Iterator[inspect.Parameter]:
    model = models.get(parameter.name)
    if model is None:
        kind = inspect.Parameter.KEYWORD_ONLY
        yield parameter.replace(kind=kind, annotation=hints[parameter.name])
        return
    types = typing.get_type_hints(model, include_extras=True)
    for field in dataclasses.fields(model):
        is_required = field.default is dataclasses.MISSING
        yield inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if is_required else field.default,
            annotation=types[field.name],
        )
