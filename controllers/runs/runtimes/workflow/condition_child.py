"""Evaluates a loop condition, within limits on memory and time. Shell: its own process.

``python -I condition_child.py MEMORY_BYTES CPU_SECONDS`` reads ``{expression, control, iteration}``
from standard input and writes ``{value}`` or ``{error}``. CEL bounds its iterations, but not the
memory of each: 1.7 KB of nested ``map`` take 3 GB. Has no imports of the project, to start fast.
"""

import json
import resource
import sys
from typing import Any

MAX_ERROR_CHARACTERS = 1000


def evaluate(expression: str, control: dict[str, Any], iteration: int) -> bool:
    """Return whether a condition holds.

    Raises:
        ValueError: It cannot be evaluated; says why.
    """
    # Imported after the limits are set, as everything that takes memory.
    from cel_expr_python import cel  # type: ignore[import-untyped]  # noqa: PLC0415 - no py.typed

    environment = cel.NewEnv(variables={"control": cel.Type.DYN, "iteration": cel.Type.INT})
    try:
        compiled = environment.compile(expression)
        value = compiled.eval(data={"control": control, "iteration": iteration}).value()
    except (RuntimeError, TypeError) as error:
        raise ValueError(str(error)) from error
    if not isinstance(value, bool):
        raise ValueError(f"expected true or false, got {str(value)[:100]}")  # noqa: TRY004 - reported as a result
    return value


def limit(memory_bytes: int, cpu_seconds: int) -> None:
    """Set limits on this process."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))
    if sys.platform == "linux":  # rejected by macOS
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))


def main(memory_bytes: int, cpu_seconds: int) -> None:
    """Answer the question on standard input."""
    limit(memory_bytes, cpu_seconds)
    given = json.load(sys.stdin)
    try:
        answer: dict[str, object] = {
            "value": evaluate(given["expression"], given["control"], given["iteration"])
        }
    except ValueError as error:
        answer = {"error": str(error)[:MAX_ERROR_CHARACTERS]}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
