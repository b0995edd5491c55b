"""Whether the condition of a loop can be evaluated at all: CEL is compiled, and not run. Pure."""

import functools
from typing import Any, Final

# As the schema of v1beta1 has it; v1alpha1 has no bound.
MAX_CHARACTERS: Final = 4096
_MAX_PROBLEM: Final = 400
# What is known of a value only when there is one may be a truth.
_TRUTHS: Final = frozenset({"BOOL", "DYN"})


def environment() -> Any:
    """What a condition may name: ``control``, the control file, and ``iteration``."""
    # Imported late: it takes 5 MiB, and most runs have no loop.
    from cel_expr_python import cel  # type: ignore[import-untyped]  # noqa: PLC0415 - no py.typed

    return cel.NewEnv(variables={"control": cel.Type.DYN, "iteration": cel.Type.INT})


@functools.lru_cache(maxsize=256)
def problem(expression: str) -> str:
    """Why an expression is no condition; empty if it is one."""
    if len(expression) > MAX_CHARACTERS:
        return f"expected at most {MAX_CHARACTERS} characters, got {len(expression)}"
    try:
        kind = str(_environment().compile(expression).return_type())
    except (RuntimeError, TypeError, ValueError) as error:
        lines = str(error).splitlines() or [""]
        words = lines[0].removeprefix("INVALID_ARGUMENT: ").removeprefix("ERROR: ")
        return f"expected a condition in CEL over control and iteration: {words[:_MAX_PROBLEM]}"
    if kind in _TRUTHS:
        return ""
    return f"expected a condition that is true or false, got one of type {kind.lower()}"


_environment: Final = functools.cache(environment)
