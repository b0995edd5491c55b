"""status.json: the outcome of the agent, within the kubelet's size limit. Pure.

The same file is the pod's termination message, which the kubelet truncates to 4096 bytes
(`MaxContainerTerminationMessageLength` in kubernetes' pkg/kubelet/container/runtime.go), and
truncated JSON is invalid. So long values are shortened here, in a fixed order.
"""

import bisect
import dataclasses
import signal
from collections.abc import Callable
from typing import Final, Literal, TypeAlias

import msgspec

from controllers.runner.errors import JSON

LIMIT_BYTES: Final = 4096
MAX_ERROR: Final = 640
"""Characters of `error`: the controller's limit of a message."""
MAX_ARTIFACTS: Final = 50
"""Artifacts in total: the limit of an AgentRun's status."""
MAX_URL: Final = 2048
"""Characters of an artifact's URL: the limit of an AgentRun's status."""

_SHORT: Final = 128
_PATH_BYTES: Final = 128
_NAME_BYTES: Final = 96

Word: TypeAlias = Literal["succeeded", "failed", "cancelled"]


class _Wire(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A JSON object with camelCase names, without defaults."""


class Produced(_Wire, frozen=True):
    """An existing artifact."""

    name: str
    path: str | None = None
    key: str | None = None
    url: str | None = None
    bytes: int | None = None
    sha256: str | None = None


class Artifacts(_Wire, frozen=True):
    """Paths of the written files, and the artifacts."""

    status_path: str | None = None
    log_path: str | None = None
    output_artifacts: tuple[Produced, ...] = ()
    output_artifacts_omitted: int = 0
    missing_artifacts: tuple[str, ...] = ()
    missing_artifacts_omitted: int = 0


class Status(_Wire, frozen=True):
    """status.json."""

    provider: str
    status: Word
    exit_code: int
    started_at: str
    finished_at: str
    adapter: str | None = None
    binary: str | None = None
    args: tuple[str, ...] = ()
    args_omitted: int = 0
    signal: str | None = None
    artifacts: Artifacts = Artifacts()
    thread_id: str | None = None
    turn_id: str | None = None
    model: str | None = None
    effort: str | None = None
    cwd: str | None = None
    loop_control: dict[str, JSON] | None = None
    loop_control_error: str | None = None
    error: str | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The outcome of the agent, from its adapter."""

    status: Word
    exit_code: int
    signal: str | None = None
    error: str | None = None
    binary: str | None = None
    args: tuple[str, ...] = ()
    thread_id: str | None = None
    turn_id: str | None = None
    model: str | None = None
    effort: str | None = None
    cwd: str | None = None


def failed(exit_code: int, error: str) -> Outcome:
    """Return the outcome of a run whose agent was not started."""
    return Outcome(status="failed", exit_code=exit_code, error=error)


CANCELLED: Final = 143
"""128 + SIGTERM, for any signal that requested the stop."""


def cancelled() -> Outcome:
    """Return the outcome of a run that was stopped before its agent started."""
    return Outcome(status="cancelled", exit_code=CANCELLED)


def ended(code: int, *, is_cancelled: bool = False) -> Outcome:
    """Return the outcome for an exit code of the agent; negative for a signal."""
    name = _signal_name(-code) if code < 0 else None
    if is_cancelled:
        return dataclasses.replace(cancelled(), signal=name)
    if name:
        # Same code as a shell.
        error = f"the agent was terminated by {name}"
        return dataclasses.replace(failed(128 - code, error), signal=name)
    if code:
        return failed(code, f"the agent exited with exit code {code}")
    return Outcome(status="succeeded", exit_code=0)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def fit(status: Status, limit_bytes: int = LIMIT_BYTES) -> bytes:
    """Encode the status as JSON below a size limit.

    The error is always truncated to 640 characters. While the result is too long, in this order:
    arguments are truncated to 128 characters, then dropped from the end; URLs of artifacts are
    dropped, then artifacts from the end, then names of missing ones; the other texts are truncated.
    Dropped list items are counted. Exit code, outcome and loop control are never changed.

    Args:
        status: The status. Its `loop_control` has at most `MAX_LOOP_CONTROL_BYTES`.
        limit_bytes: At least 4096.
    """
    fitting = msgspec.structs.replace(status, error=_cut(status.error, MAX_ERROR))
    for step in _STEPS:
        if len(encoded(fitting)) < limit_bytes:
            break
        fitting = step(fitting, limit_bytes)
    return encoded(fitting)


MAX_LOOP_CONTROL_BYTES: Final = 1024
"""JSON of the loop control: with it, the shortest texts take less than 3 KiB."""


def encoded(value: JSON) -> bytes:
    """Return compact JSON in UTF-8, replacing surrogates from undecodable file names."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return msgspec.json.encode(_clean(msgspec.to_builtins(value)))


def _clean(value: JSON) -> JSON:
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, dict):
        return {_clean(name): _clean(item) for name, item in value.items()}
    return [_clean(item) for item in value] if isinstance(value, (list, tuple)) else value


def _cut(text: str | None, characters: int) -> str | None:
    if text is None or len(text) <= characters:
        return text
    return f"{text[: characters - 1]}…"


def _cut_bytes(text: str | None, limit_bytes: int) -> str | None:
    """Truncate a text to a number of bytes of JSON, including escapes."""
    if text is None or _size(text) <= limit_bytes:
        return text
    room = limit_bytes - _size("…")
    kept = bisect.bisect_right(range(1, len(text) + 1), room, key=lambda end: _size(text[:end]))
    return f"{text[:kept]}…"


def _size(text: str) -> int:
    return len(encoded(text)) - 2


def _short_args(status: Status, _: int) -> Status:
    return msgspec.structs.replace(
        status, args=tuple(_cut(argument, _SHORT) or "" for argument in status.args)
    )


def _fewer_args(status: Status, limit_bytes: int) -> Status:
    def keep(count: int) -> Status:
        return msgspec.structs.replace(
            status,
            args=status.args[:count],
            args_omitted=status.args_omitted + len(status.args) - count,
        )

    return _most(keep, len(status.args), limit_bytes)


def _no_urls(status: Status, _: int) -> Status:
    produced = tuple(
        msgspec.structs.replace(artifact, url=None)
        for artifact in status.artifacts.output_artifacts
    )
    return _with_artifacts(status, output_artifacts=produced)


def _fewer_artifacts(status: Status, limit_bytes: int) -> Status:
    listed = status.artifacts

    def keep(count: int) -> Status:
        return _with_artifacts(
            status,
            output_artifacts=listed.output_artifacts[:count],
            output_artifacts_omitted=listed.output_artifacts_omitted
            + len(listed.output_artifacts)
            - count,
        )

    return _most(keep, len(listed.output_artifacts), limit_bytes)


def _fewer_missing(status: Status, limit_bytes: int) -> Status:
    listed = status.artifacts

    def keep(count: int) -> Status:
        return _with_artifacts(
            status,
            missing_artifacts=listed.missing_artifacts[:count],
            missing_artifacts_omitted=listed.missing_artifacts_omitted
            + len(listed.missing_artifacts)
            - count,
        )

    return _most(keep, len(listed.missing_artifacts), limit_bytes)


def _short_texts(status: Status, _: int) -> Status:
    """Truncate all texts: with names and numbers, less than 3 KiB in total."""
    paths = ("binary", "cwd", "thread_id", "turn_id")
    names = (
        *("provider", "adapter", "signal", "model", "effort", "started_at", "finished_at"),
        "loop_control_error",
    )
    short = _with_artifacts(
        status,
        status_path=_cut_bytes(status.artifacts.status_path, _PATH_BYTES),
        log_path=_cut_bytes(status.artifacts.log_path, _PATH_BYTES),
    )
    return msgspec.structs.replace(
        short,
        error=_cut_bytes(status.error, MAX_ERROR),
        **{name: _cut_bytes(getattr(status, name), _PATH_BYTES) for name in paths},
        **{name: _cut_bytes(getattr(status, name), _NAME_BYTES) for name in names},
    )


_STEPS: Final[tuple[Callable[[Status, int], Status], ...]] = (
    *(_short_args, _fewer_args, _no_urls, _fewer_artifacts, _fewer_missing, _short_texts),
)


def _with_artifacts(status: Status, **changes: JSON) -> Status:
    return msgspec.structs.replace(
        status, artifacts=msgspec.structs.replace(status.artifacts, **changes)
    )


def _most(keep: Callable[[int], Status], count: int, limit_bytes: int) -> Status:
    """Return the status with the most items that fit."""
    kept = bisect.bisect_left(
        range(1, count + 1), limit_bytes, key=lambda kept: len(encoded(keep(kept)))
    )
    return keep(kept)
