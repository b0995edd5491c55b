"""Check that a loop's condition compiles as CEL; it is not evaluated. Pure."""

import functools
from typing import Any, Final

# Same limit as the v1beta1 schema; v1alpha1 has none.
MAX_CHARACTERS: Final = 4096
_MAX_PROBLEM: Final = 400
# A value of type DYN may turn out to be a bool at run time.
_TRUTHS: Final = frozenset({"BOOL", "DYN"})


def environment() -> Any:
    """Return the CEL environment: ``control``, the control file, and ``iteration``."""
    # Imported lazily: it takes 5 MiB, and most runs have no loop.
    from cel_expr_python import cel  # type: ignore[import-untyped]  # noqa: PLC0415 - no py.typed

    return cel.NewEnv(variables={"control": cel.Type.DYN, "iteration": cel.Type.INT})


@functools.lru_cache(maxsize=256)
def problem(expression: str) -> str:
    """Return why an expression is not a valid condition; empty if it is valid."""
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
    return f"expected a condition of type bool, got type {kind.lower()}"


_environment: Final = functools.cache(environment)
