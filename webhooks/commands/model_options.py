"""Options of a command from the fields of a Pydantic model, so that each is written once. Pure."""

import functools
import inspect
import types
import typing
from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar

import pydantic
import typer
from pydantic.fields import FieldInfo

Settings = TypeVar("Settings", bound=pydantic.BaseModel)


def filling(
    model: type[Settings],
    *,
    argument: str,
    names: Mapping[str, str],
    metavars: Mapping[str, str],
) -> Callable[[Callable[[Settings], None]], Callable[..., None]]:
    """Let a command take a model instead of options: typer gets an option for each field.

    Type, default, bounds and help are the field's; an option is named after its field unless
    ``names`` has another name for it. A field that is a tuple is a repeated option.

    Args:
        model: The model.
        argument: Name of the field that is an argument instead of an option.
        names: Names of options by field: ``--name``, or ``--on/--off``.
        metavars: Placeholders for values, by field.
    """

    def decorate(act: Callable[[Settings], None]) -> Callable[..., None]:
        @functools.wraps(act)
        def command(**values: Any) -> None:
            act(model(**{name: value for name, value in values.items() if value is not None}))

        parameters = [
            _parameter(
                name,
                field,
                typer.Argument if name == argument else typer.Option,
                [names[name]] if name in names else [],
                metavars.get(name),
            )
            for name, field in model.model_fields.items()
        ]
        command.__annotations__ = {item.name: item.annotation for item in parameters}
        vars(command)["__signature__"] = inspect.Signature(parameters)
        return command

    return decorate


def _parameter(
    name: str,
    field: FieldInfo,
    declare: Callable[..., Any],
    names: list[str],
    metavar: str | None,
) -> inspect.Parameter:
    info = declare(
        *names,
        metavar=metavar,
        help=(field.description or "").replace("[", "\\["),  # not a tag of rich's markup
        min=_bound(field, "ge"),
        max=_bound(field, "le"),
    )
    kind: Any = field.annotation
    default = inspect.Parameter.empty if field.is_required() else field.default
    if typing.get_origin(kind) is tuple:
        kind, default = types.GenericAlias(list, typing.get_args(kind)[:1]) | None, None
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, info]
    )


def _bound(field: FieldInfo, name: str) -> float | None:
    bounds = (getattr(constraint, name, None) for constraint in field.metadata)
    return next((bound for bound in bounds if bound is not None), None)
