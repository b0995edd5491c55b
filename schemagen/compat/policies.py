"""Run the ValidatingAdmissionPolicies of an Api on an object, as the API server would. Pure.

Objects are untyped in a policy: maps, lists and scalars of JSON. What a policy reads besides
objects and the request (``namespaceObject``, ``authorizer``, ``params``) only a cluster knows.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Final

from schemagen.cel import compiler, kinds, syntax
from schemagen.cel.calls import UnsupportedError
from schemagen.cel.values import (
    MISSING,
    BreakdownError,
    EvaluationError,
    Map,
    UndecidedError,
    Value,
)
from schemagen.crd import admission_policy
from schemagen.model import registry
from schemagen.problems import JSON

VARIABLES: Final = ("object", "oldObject", "request")
_OF_A_CLUSTER: Final = ("namespaceObject", "authorizer", "params")
_FAILED = (EvaluationError, BreakdownError)
_UNKNOWN = (UnsupportedError, UndecidedError, syntax.SyntaxProblemError, RecursionError)


@dataclasses.dataclass(frozen=True)
class Denial:
    """Why a policy denies an object.

    Attributes:
        message: In the API server's words; where ``is_decided`` is false, why it is unknown.
        is_decided: Whether the policy could be run.
    """

    message: str
    is_decided: bool = True


class Policies:
    """The policies of an Api, besides byte limits, by version."""

    def __init__(self, api: registry.Api) -> None:
        documents = admission_policy.policies(api, has_byte_limits=False)
        self._validations = {
            document["metadata"]["name"]: document["spec"]["validations"]
            for document in documents
            if document["kind"] == "ValidatingAdmissionPolicy"
        }
        self._api = api

    def denials(
        self, kind: registry.Kind, version: registry.Version, variables: Mapping[str, JSON]
    ) -> Iterator[Denial]:
        """Yield the denials of an object; ``variables`` are the JSON of VARIABLES."""
        name = admission_policy.name_of(self._api, kind, version)
        values = [_read(variables.get(variable)) for variable in VARIABLES]
        for validation in self._validations.get(name, ()):
            denial = _denial(validation, values)
            if denial is not None and denial.is_decided:
                words = f"ValidatingAdmissionPolicy '{name}' with binding '{name}' denied request"
                yield Denial(f"{words}: {denial.message}")
            elif denial is not None:
                yield denial


def _denial(validation: dict[str, str], values: list[Value]) -> Denial | None:
    """Return why a validation denies (apiserver, plugin/policy/validating/validator.go)."""
    expression = validation["expression"]
    try:
        if _run(expression, values) is True:
            return None
    except _FAILED as error:
        return Denial(f"expression '{expression}' resulted in error: {error}")
    except _UNKNOWN as error:
        message = f"expected a policy that runs offline, got {expression!r}: {error}"
        return Denial(message, is_decided=False)
    try:
        text = _run(validation.get("messageExpression", "''"), values)
    except (*_FAILED, *_UNKNOWN):
        text = ""
    stated = text if isinstance(text, str) and text.strip() else validation.get("message")
    return Denial(stated or f"failed expression: {expression}")


def _run(expression: str, values: list[Value]) -> Value:
    compiling = _Compiler()
    scope = {name: kinds.Variable(compiling.place(), "") for name in VARIABLES}
    code = compiling.compile(syntax.parse(expression), scope)
    # The first places are those of the variables of rules, which a policy does not have.
    known = [MISSING, MISSING, *values]
    return code([*known, *[MISSING] * (compiling.places + 1 - len(known))])


class _Compiler(compiler.Compiler):
    """Compiles a policy; what only a cluster knows cannot be read."""

    def _ident(self, expr: syntax.Ident, scope: kinds.Scope) -> kinds.Code:
        if expr.name not in _OF_A_CLUSTER or expr.name in scope:
            return super()._ident(expr, scope)

        def unknown(_: kinds.Frame) -> Value:
            raise UndecidedError(f"only a cluster knows {expr.name}")

        return unknown


def _read(value: JSON) -> Value:
    if isinstance(value, dict):
        return Map([(name, _read(member)) for name, member in value.items()])
    if isinstance(value, list):
        return [_read(member) for member in value]
    return value
