"""A runner's report (``status.json``, docs/runner.md) as fields of a status. Pure.

A report is untrusted data of an agent, or of an image with its own runner. It is read without
errors whatever it contains, and the result fits the schema of a status.
"""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from controllers.runs import json_access
from controllers.runs.runtimes.base import JSON

MAX_ARTIFACTS: Final = 50
# The runner writes less than 4 KiB, the kubelet's limit; an agent may overwrite it.
MAX_REPORT_BYTES: Final = 64 * 1024
_MAX_URL: Final = 2048
MAX_TEXT: Final = 1024
_MAX_NAMED: Final = 5
_INT32: Final = 2**31
_WORDS: Final = {"succeeded": "Succeeded", "failed": "Failed", "cancelled": "Cancelled"}
_TEXTS: Final = ("signal", "provider", "adapter")
_TIMES: Final = {"startedAt": "startTime", "finishedAt": "completionTime"}
_OWN: Final = frozenset({"status", "exitCode", "error", "artifacts", *_TEXTS, *_TIMES})
# Names of sibling fields must not be in a status' `extra`, including v1alpha1's, where it is
# inlined.
_TAKEN: Final = _OWN | {"extra", *_TIMES.values()}
# Limit of a runner's additional data in the status.
MAX_EXTRA_BYTES: Final = 4096


@dataclasses.dataclass(frozen=True, slots=True)
class Control:
    """The control file of a loop, as reported by a runner.

    Attributes:
        content: None if there was none.
        problem: Why an existing file has no content; empty otherwise.
    """

    content: JSON = None
    problem: str = ""


def read(text: str | bytes) -> dict[str, JSON] | None:
    """Parse a report; None if it is invalid, such as another program's output."""
    if len(text) > MAX_REPORT_BYTES:
        return None
    try:
        report = msgspec.json.decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return report if isinstance(report, dict) else None


def runner(report: Mapping[str, JSON] | None) -> dict[str, JSON] | None:
    """Return ``status.runner`` of a v1beta1 AgentRun, omitting values of other types."""
    if not report:
        return None
    status = report.get("status")
    fields = {
        "status": _WORDS.get(status) if isinstance(status, str) else None,
        "exitCode": _int32(report.get("exitCode")),
        **{name: _text(report.get(name)) for name in (*_TEXTS, "error")},
        **{ours: _time(report.get(name)) for name, ours in _TIMES.items()},
        "extra": _extra(report) or None,
    }
    return json_access.present(fields)


def _extra(report: Mapping[str, JSON]) -> dict[str, JSON]:
    """Return additional data in order, as far as it fits and all readers accept it."""
    extra, room = {}, MAX_EXTRA_BYTES
    for name, value in report.items():
        if name in _TAKEN or value is None or not json_access.is_plain(value):
            continue
        size = len(msgspec.json.encode({name: value}))
        if size <= room:
            extra[name] = value
            room -= size
    return extra


def _int32(value: JSON) -> int | None:
    return value if type(value) is int and abs(value) < _INT32 else None


def _text(value: JSON) -> str | None:
    return clean(value[:MAX_TEXT]) if isinstance(value, str) else None


def clean(text: str) -> str:
    """Replace control characters other than line ends, so that a terminal is not controlled."""
    return _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", text)


_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@dataclasses.dataclass(frozen=True, slots=True)
class Files:
    """The files that a run produced.

    Attributes:
        artifacts: ``{name, path?, key?, url?}``; at most 50, the last per name.
        missing: Names of declared files that were not produced; at most 50.
        omitted: Number of further artifacts.
    """

    artifacts: Sequence[Mapping[str, str]] = ()
    missing: Sequence[str] = ()
    omitted: int = 0

    @property
    def note(self) -> str:
        """A message about the files for a successful run; empty if not needed."""
        notes = []
        if self.missing:
            names = ", ".join(repr(name) for name in self.missing[:_MAX_NAMED])
            more = len(self.missing) - _MAX_NAMED
            names += f" and {more} more" if more > 0 else ""
            notes.append(f"Declared artifacts not produced: {names}.")
        if self.omitted:
            notes.append(f"Further artifacts not listed: {self.omitted}.")
        return " ".join(notes)


def files(report: Mapping[str, JSON] | None) -> Files:
    """Return the files of a run, as reported by its runner."""
    given = json_access.at(report, "artifacts")
    artifacts = (
        _artifact(item) for item in _list(given, "outputArtifacts") if isinstance(item, dict)
    )
    named = {artifact["name"]: artifact for artifact in artifacts if artifact.get("name")}
    texts = (item for item in _list(given, "missingArtifacts") if isinstance(item, str) and item)
    missing = dict.fromkeys(clean(text[:MAX_TEXT]) for text in texts)
    omitted = _int32(json_access.at(given, "outputArtifactsOmitted")) or 0
    return Files(
        [*named.values()][:MAX_ARTIFACTS],
        [*missing][:MAX_ARTIFACTS],
        min(max(omitted, 0) + max(len(named) - MAX_ARTIFACTS, 0), _INT32 - 1),
    )


def loop_control(report: Mapping[str, JSON] | None) -> Control:
    """Return the control file of a loop: its content, or its problem."""
    known = report or {}
    problem = known.get("loopControlError")
    if known.get("loopControl") is None and isinstance(problem, str) and problem:
        return Control(problem=problem[:MAX_TEXT])
    return Control(known.get("loopControl"))


def _list(value: JSON, name: str) -> list[JSON]:
    items = json_access.at(value, name)
    return items if isinstance(items, list) else []


def _artifact(given: Mapping[str, JSON]) -> dict[str, str]:
    texts = {
        name: clean(given[name][:MAX_TEXT])
        for name in ("name", "path", "key")
        if isinstance(given.get(name), str)
    }
    url = given.get("url")
    # A data: URL contains the content itself, which does not belong in a status.
    is_link = isinstance(url, str) and len(url) <= _MAX_URL and not url.startswith("data:")
    return {**texts, "url": clean(url)} if is_link and isinstance(url, str) else texts


def _time(value: JSON) -> str | None:
    """Return a valid RFC 3339 time with offset, as the API server requires."""
    return value if json_access.instant(value) else None
