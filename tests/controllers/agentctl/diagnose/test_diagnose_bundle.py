"""The support archive is for its writer alone, whatever stood there before."""

import pathlib
import stat
import tarfile

import pytest

from controllers.agentctl.diagnose import bundle, report
from controllers.agentctl.diagnose.reading import reader
from controllers.agentctl.exits import CommandError

OPTIONS = reader.Options(mode="installed", home="agents", namespace=None, deadline_seconds=1)
REPORT = report.report(reader.unreachable(OPTIONS, "connection refused"), [])


@pytest.mark.parametrize("is_there", [False, True])
def test_archive_is_readable_by_its_owner_alone(tmp_path: pathlib.Path, *, is_there: bool) -> None:
    path = tmp_path / "bundle.tar.gz"
    if is_there:
        path.write_text("older, and longer than an archive could be" * 10_000)
        path.chmod(0o644)

    bundle.write(path, REPORT)

    assert 0o600 == stat.S_IMODE(path.stat().st_mode)
    with tarfile.open(path) as archive:
        assert "agentctl-diagnose/report.json" in archive.getnames()


def test_archive_that_cannot_be_written_is_an_error_with_its_path(tmp_path: pathlib.Path) -> None:
    with pytest.raises(CommandError, match="got Is a directory: name another file with --bundle"):
        bundle.write(tmp_path, REPORT)
