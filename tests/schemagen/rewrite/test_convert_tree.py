"""A tree of manifests is converted, back and forth, and only lines that have to change do."""

import collections
import difflib
import itertools
import pathlib
import shutil

import pytest
from typer.testing import CliRunner, Result

import crds
from schemagen import yaml
from schemagen.cli import commands
from schemagen.rewrite.objects import Target, difference
from schemagen.rewrite.text import layout

pytestmark = pytest.mark.slow

DATA = pathlib.Path(__file__).parents[2] / "data/convert"
FILES = sorted(path for path in (DATA / "tree").rglob("*.*"))
TARGET = Target(crds.api, "v1beta1")


def convert(*arguments: str) -> Result:
    return CliRunner().invoke(commands.app, ["convert", "crds:api", *arguments])


@pytest.fixture(autouse=True)
def tree(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A copy of the manifests, in the working directory."""
    shutil.copytree(DATA / "tree", tmp_path / "tree")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "tree"


def contents(tree: pathlib.Path) -> dict[str, bytes]:
    return {
        path.relative_to(tree).as_posix(): path.read_bytes()
        for path in sorted(tree.rglob("*"))
        if path.is_file()
    }


def test_the_tree_is_as_large_as_promised() -> None:
    assert len(FILES) >= 60


def test_the_difference_of_the_whole_tree_is_shown(tree: pathlib.Path) -> None:
    before = contents(tree)

    done = convert("-f", "tree", "--to", "v1beta1")

    assert (1, (DATA / "expected.diff").read_text()) == (done.exit_code, done.stdout)
    assert (DATA / "reported.txt").read_text() == done.stderr
    assert before == contents(tree)


def test_files_are_written_as_shown(tree: pathlib.Path) -> None:
    before = contents(tree)
    (tree / "memories/team.yaml").chmod(0o600)

    done = convert("-f", "tree", "--to", "v1beta1", "--in-place")

    after = contents(tree)
    shown = (DATA / "expected.diff").read_text()
    changed = [name for name in before if before[name] != after[name]]
    assert [f"converted tree/{name}" for name in changed] == sorted(done.stdout.splitlines())
    assert {f"+++ b/tree/{name}" for name in changed} == {
        line for line in shown.splitlines() if line.startswith("+++ ")
    }
    assert 0o600 == (tree / "memories/team.yaml").stat().st_mode & 0o777
    assert before.keys() == after.keys(), "a temporary file is left"


def test_a_second_time_changes_nothing(tree: pathlib.Path) -> None:
    convert("-f", "tree", "--to", "v1beta1", "--in-place")
    before = contents(tree)

    done = convert("-f", "tree", "--to", "v1beta1", "--in-place")

    assert before == contents(tree)
    assert "0 converted" in done.stderr


def test_back_again_means_the_same_and_keeps_the_lines_that_stayed(tree: pathlib.Path) -> None:
    before = contents(tree)
    convert("-f", "tree", "--to", "v1beta1", "--in-place")
    forth = contents(tree)
    convert("-f", "tree", "--to", "v1alpha1", "--in-place")
    back = contents(tree)

    del before["memories/newest.yaml"]  # it is older only on the way back
    for name in before:
        old, middle, new = (one[name].decode().split("\n") for one in (before, forth, back))
        matcher = difflib.SequenceMatcher(None, old, middle, autojunk=False)
        stayed = collections.Counter(
            line for block in matcher.get_matching_blocks() for line in old[block.a :][: block.size]
        )
        # A field that comes back from another object may have another place among its siblings.
        assert not stayed - collections.Counter(new), name
        if not name.startswith(("helm/", "kustomize/", "by-hand/")):
            assert meanings(before[name]) == meanings(back[name]), name


def meanings(content: bytes) -> list[object]:
    """What the API server makes of the objects of a manifest."""
    found: list[object] = []
    for value in yaml.load_all(content):
        items = value["items"] if isinstance(value, dict) and "items" in value else [value]
        for item in items:
            kind = TARGET.find(item.get("apiVersion"), item.get("kind"))
            found.append(TARGET.meaning(item, *kind) if kind else item)
    return found


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "marked"])
@pytest.mark.parametrize("ends", [b"\n", b"\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize("last", [b"", b"\n", b"  \n\n"], ids=["cut", "one", "blank"])
def test_marks_and_line_ends_stay(
    tree: pathlib.Path, mark: bytes, ends: bytes, last: bytes
) -> None:
    path = tree / "memories/team.yaml"
    text = path.read_bytes().rstrip(b"\n") + last
    path.write_bytes(text)
    convert("-f", str(path), "--to", "v1beta1", "--in-place")
    expected = path.read_bytes()
    path.write_bytes(mark + text.replace(b"\n", ends))

    done = convert("-f", str(path), "--to", "v1beta1", "--in-place")

    assert 0 == done.exit_code
    assert mark + expected.replace(b"\n", ends) == path.read_bytes()
    assert expected.endswith(b"isDefault: true" + last)


def test_mixed_line_ends_stay_where_they_are(tree: pathlib.Path) -> None:
    path = tree / "memories/team.yaml"
    lines = path.read_bytes().splitlines()
    ends = itertools.cycle([b"\r\n", b"\r\n", b"\n"])
    path.write_bytes(b"".join(line + end for line, end in zip(lines, ends, strict=False)))
    before = path.read_bytes().splitlines(keepends=True)

    convert("-f", str(path), "--to", "v1beta1", "--in-place")

    after = path.read_bytes().splitlines(keepends=True)
    assert len(before) == len(after)
    same = [new for old, new in zip(before, after, strict=True) if old.strip() == new.strip()]
    assert same == [old for old in before if old in after]
    assert len(same) == 9


@pytest.mark.parametrize("ends", [("\r\n", "\n"), ("\n", "\r\n")])
def test_a_new_line_ends_as_the_first_if_as_many_end_otherwise(ends: tuple[str, str]) -> None:
    """The order of a set, which differs from process to process, once decided."""
    found = layout.of("a{}b{}".format(*ends).encode())
    assert found is not None

    written = found.encoded("a\nnew\nb\n")

    assert f"a{ends[0]}new{ends[0]}b{ends[1]}".encode() == written


def test_utf_16_stays(tree: pathlib.Path) -> None:
    path = tree / "memories/team.yaml"
    text = path.read_text()
    path.write_bytes(b"\xff\xfe" + text.encode("utf-16-le"))

    assert 0 == convert("-f", str(path), "--to", "v1beta1", "--in-place").exit_code
    assert "secretKeyRef" in path.read_bytes()[2:].decode("utf-16-le")


def test_an_unreadable_file_does_not_stop_the_others(tree: pathlib.Path) -> None:
    (tree / "memories/broken.yaml").write_text("a: [\n")
    (tree / "memories/bytes.yaml").write_bytes(b"a: agents.proompteng.ai \xff\n")

    done = convert("-f", "tree/memories", "-f", "missing.yaml", "--to", "v1beta1")

    assert 2 == done.exit_code
    assert done.stderr.splitlines() == [
        "tree/memories/bytes.yaml: expected UTF-8, got other bytes; correct them first",
        "schemagen: expected to read missing.yaml: No such file or directory",
        "schemagen: tree/memories/broken.yaml:2: expected YAML: did not find expected node content",
        "6 converted, 1 unchanged, 0 not of this API, 1 reported",
    ]
    assert "+++ b/tree/memories/wide.yaml" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("-f", "tree", "--to", "v2"),
            "schemagen: expected --to with a version of v1alpha1, v1beta1, got v2\n",
        ),
        (
            ("-f", "-", "--to", "v1beta1", "--in-place"),
            "schemagen: expected files with --in-place, got - (standard input)\n",
        ),
    ],
)
def test_wrong_use_is_refused(arguments: tuple[str, ...], message: str) -> None:
    done = convert(*arguments)

    assert (2, message) == (done.exit_code, done.stderr)


def test_objects_of_the_newest_version_are_counted_as_unchanged() -> None:
    done = convert("-f", "tree/memories/newest.yaml", "--to", "v1beta1")

    assert (0, "", "0 converted, 1 unchanged, 0 not of this API, 0 reported\n") == (
        done.exit_code,
        done.stdout,
        done.stderr,
    )


def test_the_meaning_of_two_objects_is_compared_to_the_place() -> None:
    assert ("spec", "a", 1) == difference({"spec": {"a": [1, 2]}}, {"spec": {"a": [1, 3]}})
    assert ("spec", "a") == difference({"spec": {"a": [1]}}, {"spec": {"a": [1, 2]}})
    assert None is difference({"a": 1}, {"a": 1})
