"""The support archive: the report and the redacted snapshot. Shell: a file."""

import dataclasses
import datetime as dt
import gzip
import io
import json
import os
import pathlib
import tarfile
from collections.abc import Iterator, Mapping
from typing import Any

from controllers import kube
from controllers.agentctl.diagnose import output, redaction
from controllers.agentctl.diagnose.observation import Reading, Unread
from controllers.agentctl.diagnose.report import Report
from controllers.agentctl.exits import CommandError


def write(path: pathlib.Path, report: Report) -> None:
    """Write the archive, readable by its owner only.

    Raises:
        CommandError: It could not be written.
    """
    content = encoded(report)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            # A file that was there keeps its mode otherwise.
            os.fchmod(descriptor, 0o600)
            file.write(content)
    except OSError as error:
        raise CommandError(
            f"expected to write the archive {path}, got {error.strerror}: name another file with "
            "--bundle"
        ) from error


def encoded(report: Report) -> bytes:
    """Return the archive (tar, gzip)."""
    buffer = io.BytesIO()
    when = int(report.seen.now.timestamp())
    with (
        gzip.GzipFile(fileobj=buffer, mode="wb", mtime=when) as packed,
        tarfile.open(fileobj=packed, mode="w") as archive,
    ):
        for name, content in _members(report):
            data = content.encode()
            member = tarfile.TarInfo(f"agentctl-diagnose/{name}")
            member.size, member.mtime, member.mode = len(data), when, 0o600
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def _members(report: Report) -> Iterator[tuple[str, str]]:
    yield "report.txt", redaction.text(output.table(report)) + "\n"
    yield "report.json", _text(redaction.masked(output.as_json(report)))
    for name, reading in report.seen.readings():
        yield f"snapshot/{name.replace(' ', '-')}.json", _text(_plain(reading))


def _plain(value: Any) -> Any:
    """Return a reading as redacted JSON: objects by what is kept of them."""
    match value:
        case Reading():
            plain = _plain(value.result)
        case Unread():
            plain = {"unread": redaction.text(value.problem)}
        case {"kind": str(), "metadata": dict()}:
            plain = redaction.redacted(value)
        case Mapping():
            plain = {str(key): _plain(item) for key, item in value.items()}
        case list() | tuple():
            plain = [_plain(item) for item in value]
        case dt.datetime():
            plain = kube.time_text(value)
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = dataclasses.fields(value)
            plain = {field.name: _plain(getattr(value, field.name)) for field in fields}
        case _:
            plain = redaction.masked(value)
    return plain


def _text(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"
