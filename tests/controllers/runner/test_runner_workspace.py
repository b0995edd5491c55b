import errno
import pathlib

import pytest

from controllers.runner import errors, workspace


@pytest.fixture
def place(tmp_path: pathlib.Path) -> workspace.Workspace:
    return workspace.Workspace(tmp_path)


def test_workspace_is_that_of_a_pod_unless_said_otherwise() -> None:
    assert "/workspace/.agent/status.json" == str(workspace.of({}).status_path)
    assert "/workspace/.agent/runner.log" == str(workspace.of({"AGENT_WORKSPACE": ""}).log_path)
    assert "/x/run.json" == str(workspace.of({"AGENT_WORKSPACE": "/x"}).run_path)
    assert "/x/.agentrun/loop-control.json" == str(
        workspace.of({"AGENT_WORKSPACE": "/x"}).loop_control_path
    )


def test_relative_workspace_is_refused() -> None:
    with pytest.raises(errors.UsageError, match="AGENT_WORKSPACE"):
        workspace.of({"AGENT_WORKSPACE": "here"})


@pytest.mark.parametrize("path", ["a/b.txt", "/workspace/a/b.txt", "./x/../a/b.txt"])
def test_path_of_a_pod_means_the_same_place_elsewhere(
    place: workspace.Workspace, path: str
) -> None:
    assert place.root / "a/b.txt" == place.inside(path)


def test_absolute_path_in_the_workspace_is_taken(place: workspace.Workspace) -> None:
    assert place.root / "a" == place.inside(f"{place.root}/a")


@pytest.mark.parametrize(
    "path",
    ["../a", "/etc/passwd", "a/../../b", "/workspace/../etc/passwd", "", "a\0b", "/workspaces/a"],
)
def test_path_that_leads_out_is_refused(place: workspace.Workspace, path: str) -> None:
    with pytest.raises(errors.OutsideError, match="expected a path"):
        place.inside(path)


def test_link_that_leads_out_is_refused(place: workspace.Workspace) -> None:
    (place.root / "out").symlink_to("/etc")
    (place.root / "loop").symlink_to("loop")

    with pytest.raises(errors.OutsideError):
        place.inside("out/passwd")
    assert not place.inside("loop").exists()


def test_layout_is_written_down(place: workspace.Workspace) -> None:
    workspace.prepare(place)

    assert "agents.proompteng.ai/workspace/v1\n" == place.layout_path.read_text()
    assert place.loop_control_path.parent.is_dir()


def test_published_file_appears_whole(place: workspace.Workspace) -> None:
    path = place.root / ".agent/status.json"
    seen = []

    def replace(partial: pathlib.Path, target: pathlib.Path) -> None:
        seen.append((partial.read_bytes(), target.exists()))
        partial.replace(target)

    workspace.publish(path, b"{}", replace=replace)

    assert [(b"{}", False)] == seen
    assert b"{}" == path.read_bytes()
    assert [path] == list(path.parent.iterdir())


@pytest.mark.parametrize("number", [errno.EBUSY, errno.EACCES])
def test_mounted_file_is_written_in_place(place: workspace.Workspace, number: int) -> None:
    path = place.root / "status.json"
    path.write_text("a longer text")
    inode = path.stat().st_ino

    def replace(_: pathlib.Path, __: pathlib.Path) -> None:
        raise OSError(number, "as for a file that is mounted by itself")

    workspace.publish(path, b"{}", replace=replace)

    assert (b"{}", inode) == (path.read_bytes(), path.stat().st_ino)
    assert [path] == list(path.parent.iterdir())


def test_file_that_cannot_be_published_is_an_error(place: workspace.Workspace) -> None:
    (place.root / "status.json").mkdir()

    with pytest.raises(errors.OutputError, match=r"could not write .*status\.json: Is a directory"):
        workspace.publish(place.root / "status.json", b"{}")


def test_input_is_read_up_to_a_limit(
    place: workspace.Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workspace, "MAX_INPUT_BYTES", 3)
    path = place.root / "input"
    path.write_bytes(b"abc")

    assert b"abc" == workspace.read(path)
    path.write_bytes(b"abcd")
    with pytest.raises(errors.InputError, match="expected at most 3 bytes"):
        workspace.read(path)


def test_forgotten_status_says_nothing(place: workspace.Workspace) -> None:
    path = place.root / "status.json"
    workspace.forget(path)
    assert not path.exists()
    path.write_text("of an earlier run")

    workspace.forget(path)

    assert b"" == path.read_bytes()
