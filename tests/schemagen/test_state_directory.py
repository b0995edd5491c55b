"""State directory of commands."""

import pathlib

import pytest

from schemagen import files


@pytest.mark.parametrize(
    ("given", "expected"),
    [("/x/state", "/x/state/kubewright"), ("", None), ("relative", None)],
    ids=["given", "empty", "relative paths are ignored"],
)
def test_state_directory_is_the_users(given: str, expected: str | None) -> None:
    own = pathlib.Path.home() / ".local/state/kubewright"

    found = files.state_directory({"XDG_STATE_HOME": given})

    assert found == (own if expected is None else pathlib.Path(expected))


def test_created_directories_are_private(tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "one/two/three"

    files.make_private(folder)
    files.make_private(folder)

    modes = {path.stat().st_mode & 0o777 for path in (folder, folder.parent, folder.parent.parent)}
    assert modes == {0o700}
