"""What a runner reported (``status.json``, docs/runner.md), read and told. Pure."""

import datetime as dt
import itertools
import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from controllers.runs.runtimes.base import JSON

MOST_ARTIFACTS: Final = 50
# The runner writes less than 4 KiB, as much as a kubelet reads; an agent may write over it.
MAX_REPORT_BYTES: Final = 64 * 1024
_MOST_URL: Final = 2048
_MOST_TEXT: Final = 1024
_INT32: Final = 2**31
# Python reads more forms than RFC 3339 has.
_RFC_3339: Final = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII
)
_WORDS: Final = {"succeeded": "Succeeded", "failed": "Failed", "cancelled": "Cancelled"}
_TEXTS: Final = ("signal", "provider", "adapter")
_TIMES: Final = {"startedAt": "startTime", "finishedAt": "completionTime"}
_OWN: Final = frozenset({"status", "exitCode", "error", "artifacts", *_TEXTS, *_TIMES})


def read(text: str | bytes) -> dict[str, JSON] | None:
    """A report; None for what is none, as what another program wrote."""
    if len(text) > MAX_REPORT_BYTES:
        return None
    try:
        found = msgspec.json.decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def runner(report: Mapping[str, JSON] | None) -> dict[str, JSON] | None:
    """``status.runner`` of a v1beta1 AgentRun, in which whatever is of another type is left out."""
    if not report:
        return None
    status = report.get("status")
    fields = {
        "status": _WORDS.get(status) if isinstance(status, str) else None,
        "exitCode": _int32(report.get("exitCode")),
        **{name: _text(report.get(name)) for name in (*_TEXTS, "error")},
        **{ours: _time(report.get(name)) for name, ours in _TIMES.items()},
        "extra": {name: report[name] for name in report if name not in _OWN} or None,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _int32(value: JSON) -> int | None:
    return value if type(value) is int and abs(value) < _INT32 else None


def _text(value: JSON) -> str | None:
    return value[:_MOST_TEXT] if isinstance(value, str) else None


def artifacts(report: Mapping[str, JSON] | None) -> list[dict[str, str]]:
    """The files that a run left: ``{name, path?, key?, url?}``; at most 50."""
    listed = (report or {}).get("artifacts")
    found = listed.get("outputArtifacts") if isinstance(listed, dict) else None
    kept = (_artifact(one) for one in found or () if isinstance(one, dict))
    return [*itertools.islice((one for one in kept if one.get("name")), MOST_ARTIFACTS)]


def loop_control(report: Mapping[str, JSON] | None) -> Any:
    """Content of the control file of a loop, as the runner reported it; None if there was none."""
    return (report or {}).get("loopControl")


def _artifact(given: Mapping[str, JSON]) -> dict[str, str]:
    texts = {
        name: given[name][:_MOST_TEXT]
        for name in ("name", "path", "key")
        if isinstance(given.get(name), str)
    }
    url = given.get("url")
    # A data: URL is the content itself, which has no place in a status.
    is_link = isinstance(url, str) and len(url) <= _MOST_URL and not url.startswith("data:")
    return {**texts, "url": url} if is_link and isinstance(url, str) else texts


def _time(value: JSON) -> str | None:
    """An instant in RFC 3339, with an offset, as the API server wants it."""
    if not isinstance(value, str):
        return None
    try:
        dt.datetime.fromisoformat(value)
    except ValueError:
        return None
    return value if _RFC_3339.fullmatch(value) else None
