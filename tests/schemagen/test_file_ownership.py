"""Files that only the user or root could have written are told apart from others."""

import os
import pathlib
from collections.abc import Callable

import pytest

from schemagen import file_ownership


@pytest.fixture
def place(tmp_path: pathlib.Path) -> pathlib.Path:
    """Return a file three directories deep that nobody else could have written."""
    folder = tmp_path / "a" / "b"
    folder.mkdir(mode=0o755, parents=True)
    (folder / "code").write_text("")
    (folder / "code").chmod(0o644)
    return folder / "code"


def test_own_file_in_own_folders_is_trusted(place: pathlib.Path) -> None:
    """Although /tmp, above, is world-writable: it is sticky."""
    assert "" == file_ownership.why_untrusted(place)
    assert "" == file_ownership.why_untrusted(place.parent)


@pytest.mark.parametrize("mode", [0o020, 0o002, 0o022], ids=oct)
@pytest.mark.parametrize("level", [0, 1, 2], ids=["file", "folder", "above"])
def test_what_others_may_write_to_is_not_trusted(
    place: pathlib.Path, mode: int, level: int
) -> None:
    target = [place, *place.parents][level]
    target.chmod(0o755 | mode)

    message = f"{target} is writable by others (mode {0o755 | mode:04o}): chmod go-w {target}"
    assert message == file_ownership.why_untrusted(place)


@pytest.mark.parametrize("level", [0, 1, 2], ids=["file", "folder", "above"])
def test_what_belongs_to_others_is_not_trusted(
    place: pathlib.Path, level: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = [place, *place.parents][level]
    real = pathlib.Path.lstat

    def lstat(path: pathlib.Path) -> os.stat_result:
        status = real(path)
        return os.stat_result((*status[:4], 12345, *status[5:])) if path == target else status

    monkeypatch.setattr(pathlib.Path, "lstat", lstat)

    assert f"{target} belongs to another user (uid 12345)" == file_ownership.why_untrusted(place)


def absolute(link: pathlib.Path, target: pathlib.Path) -> None:
    link.symlink_to(target)


def relative(link: pathlib.Path, target: pathlib.Path) -> None:
    link.symlink_to(pathlib.Path("..") / target.relative_to(link.parents[1]))


@pytest.mark.parametrize("point", [absolute, relative])
def test_links_are_followed(
    place: pathlib.Path,
    tmp_path: pathlib.Path,
    point: Callable[[pathlib.Path, pathlib.Path], None],
) -> None:
    """What matters is where a link leads, and who could change the link."""
    (tmp_path / "links").mkdir(mode=0o755)
    link = tmp_path / "links" / "b"
    point(link, place.parent)
    assert "" == file_ownership.why_untrusted(link / "code")

    place.parent.chmod(0o777)
    assert "is writable by others" in file_ownership.why_untrusted(link / "code")

    place.parent.chmod(0o755)
    link.parent.chmod(0o777)
    assert f"{link.parent} is writable" in file_ownership.why_untrusted(link / "code")


def test_links_in_a_circle_are_an_error(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")

    with pytest.raises(OSError, match="at most 40 symbolic links"):
        file_ownership.why_untrusted(tmp_path / "a")
