"""Whether a step's loop goes on: CEL over what the step left in its control file. Pure."""

import functools
from collections.abc import Mapping
from typing import Final

from cel_expr_python import cel  # type: ignore[import-untyped] # no py.typed

from controllers.runs.runtimes.base import JSON

FAIL: Final = "Fail"


class ConditionError(Exception):
    """The condition has no answer; says which and why. The loop, and with it the step, fails."""


def goes_on(loop: Mapping[str, JSON], completed: int, control: JSON) -> tuple[bool, str]:
    """Whether there is another iteration, and in a word why not.

    Args:
        loop: Of the step (v1beta1).
        completed: Iterations that succeeded.
        control: Content of the control file after the last; None where there was none.

    Raises:
        ConditionError: The condition cannot be evaluated, or its control file is missing or no
            object where that means failure.
    """
    if completed >= loop["maxIterations"]:
        return False, "MaxIterations"
    condition = loop.get("while") or {}
    expression = condition.get("cel")
    if not expression:
        return True, ""
    told = condition.get("control") or {}
    if control is None:
        return _without(
            told.get("onMissing"), "ControlMissing", "expected a control file, got none"
        )
    if not isinstance(control, dict):
        message = f"expected an object in the control file, got {type(control).__name__}"
        return _without(told.get("onInvalid"), "ControlInvalid", message)
    return (True, "") if _is_true(expression, control, completed) else (False, "ConditionFalse")


def _without(word: JSON, reason: str, message: str) -> tuple[bool, str]:
    if word == FAIL:
        raise ConditionError(message)
    return False, reason


def _is_true(expression: str, control: JSON, completed: int) -> bool:
    try:
        compiled = _environment().compile(expression)
        value = compiled.eval(data={"control": control, "iteration": completed}).value()
    except (RuntimeError, TypeError, ValueError) as error:
        raise ConditionError(f"condition {expression!r}: {error}") from error
    if not isinstance(value, bool):
        raise ConditionError(f"condition {expression!r}: expected true or false, got {value}")
    return value


@functools.cache
def _environment() -> cel.Env:
    return cel.NewEnv(variables={"control": cel.Type.DYN, "iteration": cel.Type.INT})
