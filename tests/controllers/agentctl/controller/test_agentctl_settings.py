"""A controller reloads its settings file, and keeps the last valid settings."""

import logging
import pathlib

import pytest

from controllers.agentctl.controller.operator_settings import SettingsFile
from crds.admission.settings import DEFAULTS, Names, Pods, Policy, Settings
from webhooks.server import worker

DENIED = "policy: {secrets: {denied: [root]}}\n"
WITH_DENIED = Settings(policy=Policy(secrets=Names(denied=("root",))))


def test_without_a_file_settings_are_the_defaults() -> None:
    assert DEFAULTS == SettingsFile(None).current()


def test_change_is_taken_up_and_a_broken_file_keeps_what_was(
    tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text("policy: {}\n")
    file = SettingsFile(path)
    seen = []

    for text in (DENIED, "policy: [\n", "polcy: {}\n", None, "pods: {runAsUser: 7}\n"):
        replace(path, text)
        with caplog.at_level(logging.ERROR):
            file.reload_changed()
            file.reload_changed()  # what was refused once is not read, and counted, again
        seen.append((file.current(), file.failures))

    assert [
        (WITH_DENIED, 0),
        (WITH_DENIED, 1),
        (WITH_DENIED, 2),
        (WITH_DENIED, 3),
        (Settings(pods=Pods(run_as_user=7)), 3),
    ] == seen
    assert ["reload failed, keeping the previous settings"] * 3 == caplog.messages
    assert f"{path}: object contains unknown field `polcy`" in vars(caplog.records[1])["reason"]


def replace(path: pathlib.Path, text: str | None) -> None:
    """Replace the file, as an editor or a kubelet does."""
    if text is None:
        path.unlink()
        return
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)


def test_volume_that_is_swapped_as_a_whole_is_followed(tmp_path: pathlib.Path) -> None:
    """A kubelet points ``..data`` to another directory when a ConfigMap changes."""
    for name, text in (("one", "policy: {}\n"), ("two", DENIED)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "settings.yaml").write_text(text)
    data = tmp_path / "..data"
    data.symlink_to("one")
    path = tmp_path / "settings.yaml"
    path.symlink_to("..data/settings.yaml")
    file = SettingsFile(path)

    (tmp_path / "..tmp").symlink_to("two")
    (tmp_path / "..tmp").replace(data)
    file.reload_changed()

    assert WITH_DENIED == file.current()


def test_file_that_cannot_be_used_stops_a_start(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text("policy: {secrets: {deny: [root]}}\n")

    with pytest.raises(worker.SettingsError) as caught:
        SettingsFile(path)

    assert (
        f"{path}: policy.secrets: object contains unknown field `deny`; docs/policies.md lists "
        "every setting" == str(caught.value)
    )


def test_image_of_the_command_line_goes_before_the_files(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text("pods: {image: file, runAsUser: 7}\n")

    assert Settings(pods=Pods(image="flag", run_as_user=7)) == SettingsFile(path, "flag").current()
    assert "file" == SettingsFile(path).current().pods.image
