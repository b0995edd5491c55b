"""Reads ``status.workflow`` of a run, and bounds its size. Pure.

Anyone who may write a run's status may write this part: invalid data is dropped, so that any state
leads to a decision.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from controllers.runs import json_access
from controllers.runs.runtimes.base import JSON
from controllers.runs.runtimes.workflow import loops

PENDING: Final = "Pending"
RUNNING: Final = "Running"
RETRYING: Final = "Retrying"
SUCCEEDED: Final = "Succeeded"
FAILED: Final = "Failed"
CANCELLED: Final = "Cancelled"
PHASES: Final = frozenset({PENDING, RUNNING, RETRYING, SUCCEEDED, FAILED, CANCELLED})
ENDED: Final = frozenset({SUCCEEDED, FAILED, CANCELLED})

# The last iterations of an endless loop.
MAX_ITERATIONS: Final = 20
# etcd's limit is 1.5 MiB, of which a run's spec may take 1 MiB (crds.admission.agentrun).
MAX_STATE_BYTES: Final = 192 * 1024
# More attempts or iterations than a run can have; the status field is limited to 2**31.
_MAX_COUNT: Final = 10**9
_MAX_MESSAGE: Final = 640
_MAX_NAME: Final = 253


def steps(state: Mapping[str, JSON] | None, names: Sequence[str]) -> list[dict[str, JSON]]:
    """Return the status of each step; Pending if the state has none."""
    listed = _list((state or {}).get("steps"))
    known = [*listed[: len(names)], *([None] * (len(names) - len(listed)))]
    return [_step(name, step) for name, step in zip(names, known, strict=True)]


def names(state: Mapping[str, JSON] | None) -> list[str]:
    """Return the names of the steps in a state."""
    listed = _list((state or {}).get("steps"))
    return [_text(_object(step).get("name"), _MAX_NAME) or "" for step in listed]


def _step(name: str, given: JSON) -> dict[str, JSON]:
    known = _object(given)
    phase = known.get("phase")
    if not isinstance(phase, str) or phase not in PHASES:
        return {"name": name, "phase": PENDING}
    fields = {
        "name": name,
        "phase": phase,
        "attempt": _count(known.get("attempt"), 1 if phase == RUNNING else None),
        "disruptions": _count(known.get("disruptions"), None),
        "message": _text(known.get("message"), _MAX_MESSAGE),
        **{name: _instant(known.get(name)) for name in _INSTANTS},
        "jobRef": _job_ref(known.get("jobRef")),
        "loop": _loop(known.get("loop")),
    }
    return json_access.present(fields)


_INSTANTS: Final = (
    *("startTime", "completionTime", "jobObservedTime", "lastTransitionTime", "nextRetryTime"),
)


def _loop(given: JSON) -> dict[str, JSON] | None:
    if not isinstance(given, dict):
        return None
    control = given.get("lastControl")
    fields = {
        "currentIteration": max(_count(given.get("currentIteration"), 1), 1),
        "completedIterations": _count(given.get("completedIterations"), 0),
        "maxIterations": _count(given.get("maxIterations"), None),
        "stopReason": _text(given.get("stopReason"), _MAX_NAME),
        "retainedIterations": _count(given.get("retainedIterations"), None),
        "prunedIterations": _count(given.get("prunedIterations"), None),
        "lastControl": control if loops.is_kept(control) else None,
        "iterations": [*map(_iteration, _list(given.get("iterations"))[-MAX_ITERATIONS:])] or None,
    }
    return json_access.present(fields)


def _iteration(given: JSON) -> dict[str, JSON]:
    known = _object(given)
    fields = {
        "index": _count(known.get("index"), None),
        "phase": _text(known.get("phase"), _MAX_NAME),
        "attempts": _count(known.get("attempts"), None),
        "startTime": _instant(known.get("startTime")),
        "completionTime": _instant(known.get("completionTime")),
        "jobRef": _job_ref(known.get("jobRef")),
    }
    return json_access.present(fields)


def _job_ref(given: JSON) -> dict[str, JSON] | None:
    known = _object(given)
    fields = {name: _text(known.get(name), _MAX_NAME) for name in ("name", "namespace", "uid")}
    return json_access.present(fields) or None


def _object(value: JSON) -> Mapping[str, JSON]:
    return value if isinstance(value, dict) else {}


def _list(value: JSON) -> list[JSON]:
    return value if isinstance(value, list) else []


def _text(value: JSON, max_characters: int) -> str | None:
    return value[:max_characters] if isinstance(value, str) else None


def _count(value: JSON, default: int | None) -> Any:
    return value if type(value) is int and 0 <= value <= _MAX_COUNT else default


def _instant(value: JSON) -> str | None:
    return value if json_access.instant(value) else None


# --------------------------------------------------------------------------------------- bounds


def fitted(listed: list[dict[str, JSON]]) -> list[dict[str, JSON]]:
    """Shorten steps so that they fit into a status.

    While they are too large, from the first step on, this drops: control files and then iterations
    of ended steps; iterations of the others; all messages; the other control files. A loop's counts
    are kept.
    """
    steps = [*listed]
    size = _size(steps)
    for shorten, at in _reductions(steps):
        if size <= MAX_STATE_BYTES:
            break
        shorter = shorten(steps[at])
        size -= _size(steps[at]) - _size(shorter)
        steps[at] = shorter
    return steps


_Shorten = Callable[[dict[str, JSON]], dict[str, JSON]]


def _reductions(listed: Sequence[Mapping[str, JSON]]) -> Iterator[tuple[_Shorten, int]]:
    over = [at for at, step in enumerate(listed) if step["phase"] in ENDED]
    going = [at for at in range(len(listed)) if at not in {*over}]
    for shorten, chosen in (
        (_without_control, over),
        (_without_iterations, over),
        (_without_iterations, going),
        (_without_message, [*over, *going]),
        (_without_control, going),
    ):
        yield from ((shorten, at) for at in chosen)


def _without_control(step: dict[str, JSON]) -> dict[str, JSON]:
    loop = {name: value for name, value in step.get("loop", {}).items() if name != "lastControl"}
    return {**step, "loop": loop} if loop else step


def _without_iterations(step: dict[str, JSON]) -> dict[str, JSON]:
    loop = step.get("loop", {})
    if "iterations" not in loop:
        return step
    pruned = loop.get("prunedIterations", 0) + len(loop["iterations"])
    kept = {name: value for name, value in loop.items() if name != "iterations"}
    return {**step, "loop": {**kept, "retainedIterations": 0, "prunedIterations": pruned}}


def _without_message(step: dict[str, JSON]) -> dict[str, JSON]:
    return {name: value for name, value in step.items() if name != "message"}


def _size(value: JSON) -> int:
    return len(msgspec.json.encode(value))
