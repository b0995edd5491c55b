import hashlib
import os
import pathlib

import pytest

from controllers.runner import artifacts, spec, status, workspace


@pytest.fixture
def place(tmp_path: pathlib.Path) -> workspace.Workspace:
    return workspace.Workspace(tmp_path)


def named(name: str, path: str | None = None) -> spec.Artifact:
    return spec.Artifact(name=name, path=path)


def test_templates_in_all_fields_are_filled_in() -> None:
    declared = spec.Artifact(
        name="{{inputs.a}}",
        path="{{inputs.a}}.txt",
        key="k/{{inputs.a}}",
        url="http://{{inputs.a}}",
    )

    filled = artifacts.rendered([declared], {"inputs": {"a": "x"}})

    assert (spec.Artifact(name="x", path="x.txt", key="k/x", url="http://x"),) == filled


@pytest.mark.parametrize(
    "url", ["data:text/plain,hello", " DATA:x", "https://example.com/" + "u" * 2048, "{{missing}}"]
)
def test_url_that_is_no_address_is_left_out(url: str) -> None:
    filled = artifacts.rendered([spec.Artifact(name="a", url=url)], {})

    assert (spec.Artifact(name="a"),) == filled


def test_artifact_that_is_there_is_measured(place: workspace.Workspace) -> None:
    (place.root / "a.txt").write_bytes(b"hello")

    produced, missing = artifacts.collect(
        [spec.Artifact(name="a", path="/workspace/a.txt", key="k", url="https://x")], place
    )

    digest = hashlib.sha256(b"hello").hexdigest()
    assert () == missing
    assert (
        status.Produced(
            name="a", path="/workspace/a.txt", key="k", url="https://x", bytes=5, sha256=digest
        ),
    ) == produced


def test_folder_and_artifact_without_a_path_are_listed_as_declared(
    place: workspace.Workspace,
) -> None:
    (place.root / "folder").mkdir()

    produced, missing = artifacts.collect([named("f", "folder"), named("u")], place)

    assert (status.Produced(name="f", path="folder"), status.Produced(name="u")) == produced
    assert () == missing


def test_nothing_is_read_that_is_no_file_of_the_workspace(place: workspace.Workspace) -> None:
    (place.root / "link").symlink_to("/etc/passwd")
    (place.root / "loop").symlink_to("loop")
    # Who opened it would wait for ever.
    os.mkfifo(place.root / "pipe")
    paths = ["link", "loop", "pipe", "missing", "/etc/passwd", "../x"]

    produced, missing = artifacts.collect([named(path, path) for path in paths], place)

    assert ((), tuple(paths)) == (produced, missing)


def test_fifty_of_each_sort_are_listed_and_the_others_counted(place: workspace.Workspace) -> None:
    declared = [named(f"u{n}") for n in range(51)] + [named(f"m{n}", "missing") for n in range(52)]

    told = artifacts.report(declared, place, status.Artifacts(log_path="/l"))

    assert (50, 1) == (len(told.output_artifacts), told.output_artifacts_omitted)
    assert (50, 2) == (len(told.missing_artifacts), told.missing_artifacts_omitted)
    assert "/l" == told.log_path


def test_file_that_is_too_large_to_be_read_has_a_size_alone(place: workspace.Workspace) -> None:
    size = artifacts.MAX_HASHED_BYTES + 1
    with (place.root / "sparse").open("wb") as file:
        file.truncate(size)

    produced, _ = artifacts.collect([named("s", "sparse")], place)

    assert (status.Produced(name="s", path="sparse", bytes=size),) == produced
