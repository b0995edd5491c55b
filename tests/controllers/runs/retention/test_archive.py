"""The archive of deleted runs: durable, newest first, intact after any crash."""

import concurrent.futures
import contextlib
import datetime as dt
import gzip
import hashlib
import itertools
import json
import os
import pathlib
import resource
import shutil
import signal
import stat
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
import typer.testing
from hypothesis import given
from hypothesis import strategies as st

from controllers.agentctl import cli
from controllers.agentctl.archive import search as command
from controllers.agentctl.exits import Exit
from controllers.kube import JSON
from controllers.runs.retention import archive, archive_files
from controllers.runs.retention.archive import ArchiveError, FileArchive, Keep

NOW = dt.datetime(2026, 7, 1, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
GZIP, FLOCK = str(shutil.which("gzip")), str(shutil.which("flock"))
TODAY = "2026-07-01.jsonl.gz"


def run(
    name: str = "a",
    namespace: str = "team",
    uid: str = "",
    phase: str = "Succeeded",
    ended: dt.datetime = NOW - 30 * DAY,
    **fields: Any,
) -> JSON:
    """An AgentRun that has ended."""
    metadata = {
        "name": name,
        "namespace": namespace,
        "uid": uid or f"uid-{name}",
        "resourceVersion": "1",
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "managedFields": [{"manager": "x"}],
    }
    return {
        "apiVersion": "agents.proompteng.ai/v1beta1",
        "kind": "AgentRun",
        "metadata": metadata,
        "spec": {"agentRef": {"name": "codex"}, "runtime": {"type": "Job"}},
        "status": {"phase": phase, "completionTime": f"{ended:%Y-%m-%dT%H:%M:%SZ}"},
        **fields,
    }


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> dt.datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def kept(tmp_path: pathlib.Path, clock: Clock) -> FileArchive:
    return FileArchive(tmp_path / "archive", now=clock)


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    """Return today's file of the namespace ``team``."""
    return tmp_path / "archive" / "team" / TODAY


def names(directory: pathlib.Path, **filters: Any) -> list[str]:
    return [str(one.run["metadata"]["name"]) for one in archive.query(directory, **filters)]


@pytest.fixture
def found(tmp_path: pathlib.Path) -> Any:
    return lambda **filters: names(tmp_path / "archive", **filters)


# ---------------------------------------------------------------------------------- what is kept


def test_whole_run_is_kept_but_for_its_managed_fields(kept: FileArchive) -> None:
    whole = run(extra={"text": "snow \u2603 \U0001f600 \u2028 \x00 \r\n"})

    kept.append([whole])
    (one,) = kept.query()

    del whole["metadata"]["managedFields"]
    assert whole == one.run
    assert one.at == NOW


def test_given_run_is_not_changed(kept: FileArchive) -> None:
    whole = run()

    kept.append([whole])

    assert run() == whole


def test_line_is_as_documented_and_zcat_reads_it(kept: FileArchive, path: pathlib.Path) -> None:
    kept.append([run("a")])
    kept.append([run("b"), run("c")])

    lines = subprocess.run([GZIP, "-dc", str(path)], check=True, capture_output=True).stdout

    entries = [json.loads(line) for line in lines.splitlines()]
    assert ["a", "b", "c"] == [one["run"]["metadata"]["name"] for one in entries]
    assert {"archivedAt", "run"} == entries[0].keys()
    assert entries[0]["archivedAt"] == "2026-07-01T12:00:00Z"


def test_file_and_its_folders_are_on_the_disk_when_it_returns(
    kept: FileArchive, path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[tuple[int, int]] = []
    fsync = os.fsync

    def record(descriptor: int) -> None:
        fsync(descriptor)
        found = os.fstat(descriptor)
        written.append((found.st_ino, found.st_size))

    monkeypatch.setattr(os, "fsync", record)

    kept.append([run("a")])
    first = {inode for inode, _ in written}
    written.clear()
    kept.append([run("b")])

    folders = (path.parent, path.parent.parent, path.parent.parent.parent)
    assert {one.stat().st_ino for one in (path, *folders)} == first
    assert [(path.stat().st_ino, path.stat().st_size)] == written


def test_others_may_not_read_it(kept: FileArchive, path: pathlib.Path) -> None:
    kept.append([run()])

    modes = [stat.S_IMODE(one.stat().st_mode) for one in (path, path.parent, path.parent.parent)]

    assert [0o600, 0o700, 0o700] == modes


@given(st.lists(st.lists(st.text(max_size=20), max_size=4), max_size=4))
def test_what_was_kept_comes_back(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[str]]
) -> None:
    kept = FileArchive(tmp_path_factory.mktemp("archive"))
    numbers = itertools.count()
    runs = [
        [run(str(number := next(numbers)), uid=str(number), note=text) for text in batch]
        for batch in batches
    ]
    for batch in runs:
        kept.append(batch)

    back = [one.run["note"] for one in kept.query()]

    assert [text for batch in batches for text in batch] == back[::-1]


@pytest.mark.parametrize("namespace", ["", "../up", "a/b", ".", "A"])
def test_namespace_that_is_no_name_is_refused(
    kept: FileArchive, tmp_path: pathlib.Path, namespace: str
) -> None:
    with pytest.raises(ArchiveError, match="expected"):
        kept.append([run(namespace=namespace)])
    kept.append([])
    with pytest.raises(ArchiveError, match="expected a namespace name"):
        names(tmp_path / "archive", namespace=namespace or "..")


# ------------------------------------------------------------------------------------- searching


def test_newest_comes_first(kept: FileArchive, clock: Clock, found: Any) -> None:
    kept.append([run("a"), run("b")])
    clock.now += DAY
    kept.append([run("c")])
    kept.append([run("d", namespace="crew"), run("e")])

    assert ["d", "e", "c", "b", "a"] == found()


def test_run_that_was_archived_twice_is_told_once_as_it_was_last(
    kept: FileArchive, clock: Clock
) -> None:
    kept.append([run("a", phase="Failed"), run("a", phase="Succeeded")])
    kept.append([run("b", phase="Failed")])
    clock.now += DAY
    kept.append([run("b", phase="Cancelled")])

    told = [(one.run["metadata"]["name"], one.run["status"]["phase"]) for one in kept.query()]

    assert [("b", "Cancelled"), ("a", "Succeeded")] == told


def test_what_a_run_was_before_is_not_found(kept: FileArchive, found: Any) -> None:
    kept.append([run("a", phase="Failed")])
    kept.append([run("a", phase="Succeeded")])

    assert [] == found(phase="Failed")


def test_runs_of_one_name_are_told_apart_by_uid(kept: FileArchive, found: Any) -> None:
    kept.append([run("a", uid="1"), run("a", uid="2")])

    assert 2 == len(found())


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, ["d", "c", "b", "a"]),
        ({"namespace": "crew"}, ["d"]),
        ({"namespace": "nowhere"}, []),
        ({"agent": "claude"}, ["b"]),
        ({"phase": "Failed"}, ["c"]),
        ({"name": "a"}, ["a"]),
        ({"uid": "uid-b"}, ["b"]),
        ({"uid": "uid-b", "name": "a"}, []),
        ({"since": NOW - 3 * DAY}, ["d", "c"]),
        ({"until": NOW - 3 * DAY}, ["b", "a"]),
        ({"since": NOW - 4 * DAY, "until": NOW - 2 * DAY}, ["c", "b"]),
        ({"limit": 2}, ["d", "c"]),
        ({"limit": 0}, []),
        ({"limit": 9, "phase": "Succeeded", "namespace": "team"}, ["b", "a"]),
    ],
)
def test_filters(kept: FileArchive, found: Any, filters: Any, expected: list[str]) -> None:
    kept.append(
        [
            run("a", ended=NOW - 5 * DAY),
            run("b", ended=NOW - 4 * DAY, spec={"agentRef": {"name": "claude"}}),
            run("c", ended=NOW - 3 * DAY, phase="Failed"),
            run("d", ended=NOW - 2 * DAY, namespace="crew"),
        ]
    )

    assert expected == found(**filters)


def test_days_before_anything_that_is_asked_for_are_not_read(
    kept: FileArchive, clock: Clock, path: pathlib.Path
) -> None:
    kept.append([run("a")])
    path.write_bytes(b"not read")
    clock.now += 3 * DAY
    kept.append([run("b", ended=NOW + 2 * DAY)])
    said: list[str] = []

    told = [
        *archive.query(path.parent.parent, since=NOW + 2 * DAY, say=said.append),
    ]

    assert 1 == len(told)
    assert [] == said


def test_search_may_go_on_while_more_is_written(kept: FileArchive, found: Any) -> None:
    kept.append([run("a")])
    kept.append([run("b")])
    search = kept.query()

    first = next(search)
    kept.append([run("c")])

    assert "b" == first.run["metadata"]["name"]
    assert ["a"] == [one.run["metadata"]["name"] for one in search]
    assert ["c", "b", "a"] == found()


def test_archive_that_is_not_there_is_said(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ArchiveError, match="not a directory"):
        names(tmp_path / "nowhere")


def test_ten_thousand_runs_are_searched_in_little_memory(kept: FileArchive, found: Any) -> None:
    filler = {"text": hashlib.shake_256(b"").hexdigest(1500)}
    for batch in range(200):
        kept.append([run(f"r{batch}-{at}", extra=filler) for at in range(50)])

    tracemalloc.start()
    total = sum(1 for _ in kept.query())
    everything = tracemalloc.get_traced_memory()[1]
    tracemalloc.reset_peak()
    assert ["r199-49"] == found(limit=1)
    first = tracemalloc.get_traced_memory()[1] - tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()

    assert 10_000 == total
    assert everything < 6_000_000  # of 33 MB
    assert first < 1_500_000


# ------------------------------------------------------------------------------ crashes and damage


@pytest.mark.parametrize("share", [0.0, 0.01, 0.1, 0.5, 0.9, 0.999])
def test_torn_write_is_passed_over_then_cut_off(
    kept: FileArchive, clock: Clock, path: pathlib.Path, share: float
) -> None:
    directory = path.parent.parent
    kept.append([run("a")])
    whole = path.read_bytes()
    kept.append([run("b"), run("c")])
    written = path.read_bytes()
    torn = len(whole) + 1 + int(share * (len(written) - len(whole) - 2))
    path.write_bytes(written[:torn])
    said: list[str] = []

    told = [*archive.query(directory, say=said.append)]
    FileArchive(directory, now=clock).append([run("d")])

    assert ["a"] == [one.run["metadata"]["name"] for one in told]
    assert 1 == len(said)
    assert f"skipping {torn - len(whole)} incomplete bytes at byte {len(whole)}" in said[0]
    assert ["d", "a"] == names(directory, say=pytest.fail)
    assert 2 == len(gzip.decompress(path.read_bytes()).splitlines())


@pytest.mark.parametrize("cut", [0, 20, 25])
def test_room_that_was_never_written_is_cut_off(
    kept: FileArchive, clock: Clock, path: pathlib.Path, cut: int
) -> None:
    """Some file systems leave the right length with zeros after a power failure."""
    directory = path.parent.parent
    kept.append([run("a")])
    length = len(path.read_bytes())
    kept.append([run("b")])
    written = path.read_bytes()
    path.write_bytes(written[: length + cut] + bytes(len(written) - length - cut))

    told = names(directory, say=lambda _: None)
    FileArchive(directory, now=clock).append([run("c")])

    assert ["a"] == told
    assert ["c", "a"] == names(directory, say=pytest.fail)


def test_torn_write_of_yesterday_is_cut_off_as_well(
    kept: FileArchive, clock: Clock, path: pathlib.Path
) -> None:
    kept.append([run("a")])
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:30])
    clock.now += DAY

    FileArchive(path.parent.parent, now=clock).append([run("b")])

    assert whole == path.read_bytes()


def test_write_of_another_process_is_never_cut_off(
    kept: FileArchive, clock: Clock, path: pathlib.Path, found: Any
) -> None:
    other = FileArchive(path.parent.parent, now=clock)
    for number in range(3):
        kept.append([run(f"a{number}")])
        other.append([run(f"b{number}")])

    assert ["b2", "a2", "b1", "a1", "b0", "a0"] == found()


def test_damage_amid_a_file_costs_one_batch_and_is_not_cut_off(
    kept: FileArchive, clock: Clock, path: pathlib.Path
) -> None:
    directory = path.parent.parent
    starts = []
    for name in "abc":
        starts.append(path.stat().st_size if path.exists() else 0)
        kept.append([run(name)])
    # In its magic, in its length, in what is compressed, in the checksum of that.
    for offset in (3, 18, 60, starts[2] - starts[1] - 8):
        written = bytearray(path.read_bytes())
        original = bytes(written)
        written[starts[1] + offset] ^= 0xFF
        path.write_bytes(written)
        said: list[str] = []

        told = names(directory, say=said.append)
        FileArchive(directory, now=clock).append([run("d")])

        assert ["c", "a"] == told
        assert 1 == len(said)
        assert path.read_bytes().startswith(written)
        path.write_bytes(original)


def test_file_that_somebody_else_wrote_is_left_as_it_is(
    kept: FileArchive, clock: Clock, path: pathlib.Path
) -> None:
    kept.append([run("a")])
    rewritten = gzip.compress(gzip.decompress(path.read_bytes()))
    path.write_bytes(rewritten)
    said: list[str] = []

    FileArchive(path.parent.parent, now=clock).append([run("b")])

    assert path.read_bytes().startswith(rewritten)
    assert 2 == len(gzip.decompress(path.read_bytes()).splitlines())
    assert ["b"] == names(path.parent.parent, say=said.append)
    assert 1 == len(said)


def test_line_that_is_no_run_is_passed_over(kept: FileArchive, path: pathlib.Path) -> None:
    kept.append([run("a")])
    with path.open("ab") as file:
        file.write(
            archive_files.member(b'{"run": 1}\nnonsense\n')
        )  # another version might write this
    said: list[str] = []

    told = names(path.parent.parent, say=said.append)

    assert ["a"] == told
    assert 2 == len(said)


@contextlib.contextmanager
def full_disk(size_bytes: int) -> Iterator[None]:
    """No file can grow."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


def test_full_disk_is_an_error_and_leaves_the_file_as_it_was(
    kept: FileArchive, path: pathlib.Path, found: Any
) -> None:
    kept.append([run("a")])
    whole = path.read_bytes()

    with full_disk(len(whole) + 100), pytest.raises(ArchiveError, match="could not write"):
        kept.append([run("b")])
    left = path.read_bytes()
    kept.append([run("b")])

    assert whole == left
    assert ["b", "a"] == found()


def test_one_writer_at_a_time(kept: FileArchive, path: pathlib.Path) -> None:
    kept.append([run("a")])
    holder = subprocess.Popen(
        [FLOCK, str(path.parent.parent / "lock"), "sh", "-c", "echo held; read _"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    holder.stdout.readline()

    with pytest.raises(ArchiveError, match="only writer"):
        kept.append([run("b")])
    assert ["a"] == names(path.parent.parent)
    holder.communicate("\n")
    kept.append([run("b")])

    assert ["b", "a"] == names(path.parent.parent)


def test_two_writers_side_by_side_lose_nothing(tmp_path: pathlib.Path, clock: Clock) -> None:
    def write(letter: str) -> None:
        kept = FileArchive(tmp_path, now=clock)
        for number in range(20):
            while True:
                with contextlib.suppress(ArchiveError):
                    kept.append([run(f"{letter}{number}")])
                    break

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        [*pool.map(write, "ab")]

    assert sorted(f"{letter}{at}" for letter in "ab" for at in range(20)) == sorted(
        names(tmp_path, say=pytest.fail)
    )


_WRITER = """
import itertools, pathlib, sys
from controllers.runs.retention.archive import FileArchive
kept = FileArchive(pathlib.Path(sys.argv[1]))
for number in itertools.count():
    uids = [f"{sys.argv[2]}-{number}-{at}" for at in range(20)]
    kept.append(
        [{"metadata": {"namespace": "team", "name": uid, "uid": uid}, "note": uid * 500}
        for uid in uids]
    )
    print(number, flush=True)
"""


@pytest.mark.slow
def test_killed_writer_loses_nothing_that_it_was_sure_of(tmp_path: pathlib.Path) -> None:
    sure = set()
    for life in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(tmp_path), str(life)],
            cwd=pathlib.Path(__file__).parents[4],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        *_, number = itertools.islice(process.stdout, 20 + 7 * life)
        process.kill()
        sure |= {f"{life}-{at}-19" for at in range(int(number) + 1)}
        process.communicate()

    told = set(names(tmp_path, say=lambda _: None))

    assert sure <= told
    for file in tmp_path.glob("*/*.gz"):
        FileArchive(tmp_path).append([run("last")])
        assert len(told) + 1 == len(gzip.decompress(file.read_bytes()).splitlines())


# ---------------------------------------------------------------------------- its own retention


@pytest.mark.parametrize(
    ("keep", "expected"),
    [
        (Keep(), []),
        (Keep(age=2 * DAY), [1, 2]),
        (Keep(age=dt.timedelta()), [1, 2, 3, 4]),
        (Keep(size_bytes=50), []),
        (Keep(size_bytes=49), [1]),
        (Keep(size_bytes=20), [1, 2, 3]),
        (Keep(size_bytes=0), [1, 2, 3, 4]),
        (Keep(age=3 * DAY, size_bytes=30), [1, 2]),
    ],
)
def test_days_go_the_oldest_first_and_today_never(keep: Keep, expected: list[int]) -> None:
    sizes = {dt.date(2026, 7, day): 10 for day in (3, 1, 2, 5, 4)}

    days = archive.days_to_delete(sizes, dt.date(2026, 7, 5), keep)

    assert expected == [day.day for day in days]


def test_trim_deletes_a_day_in_all_namespaces(
    tmp_path: pathlib.Path, clock: Clock, path: pathlib.Path
) -> None:
    kept = FileArchive(tmp_path / "archive", Keep(age=DAY), now=clock)
    kept.append([run("a"), run("b", namespace="crew")])
    clock.now += 2 * DAY
    kept.append([run("c")])
    stranger = path.with_name("notes.jsonl.gz")
    stranger.touch()

    gone = kept.trim()

    assert 1 == gone
    assert ["c"] == names(tmp_path / "archive")
    assert stranger.exists()


# -------------------------------------------------------------------------------------- agentctl


def agentctl(directory: pathlib.Path, *words: str) -> typer.testing.Result:
    runner = typer.testing.CliRunner()
    return runner.invoke(cli.app, ["archive", *words], env={"AGENTCTL_ARCHIVE": str(directory)})


@pytest.fixture
def full(kept: FileArchive, tmp_path: pathlib.Path) -> pathlib.Path:
    status = {
        "phase": "Failed",
        "message": "bad \x1b[31m\nend",
        "lastUpdateTime": "2026-06-02T00:00:00Z",
    }
    kept.append([run("a"), run("b", namespace="crew", status=status)])
    return tmp_path / "archive"


def test_list_is_a_table(full: pathlib.Path) -> None:
    result = agentctl(full, "list")

    assert Exit.OK == result.exit_code
    assert [
        ["NAMESPACE", "NAME", "AGENT", "PHASE", "REASON", "ENDED", "ARCHIVED"],
        ["crew", "b", "codex", "Failed", "2026-06-02T00:00:00Z", "2026-07-01T12:00:00Z"],
        ["team", "a", "codex", "Succeeded", "2026-06-01T12:00:00Z", "2026-07-01T12:00:00Z"],
    ] == [line.split() for line in result.stdout.splitlines()]


def test_long_table_has_one_head(kept: FileArchive, tmp_path: pathlib.Path) -> None:
    kept.append([run(f"r{at}") for at in range(1500)])

    result = agentctl(tmp_path / "archive", "list", "--limit", "0")

    assert 1501 == len(result.stdout.splitlines())
    assert 1 == result.stdout.count("NAMESPACE")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), ["b", "a"]),
        (("-n", "team"), ["a"]),
        (("--phase", "Failed"), ["b"]),
        (("--agent", "codex", "--limit", "1"), ["b"]),
        (("--name", "a"), ["a"]),
        (("--uid", "uid-b"), ["b"]),
        (("--since", "2026-06-01T18:00:00Z"), ["b"]),
        (("--until", "2026-06-02"), ["a"]),
        (("--since", "1h"), []),
    ],
)
@pytest.mark.parametrize("output", ["json", "jsonl"])
def test_list_as_json(
    full: pathlib.Path, output: str, words: tuple[str, ...], expected: list[str]
) -> None:
    result = agentctl(full, "list", "-o", output, *words)

    out = result.stdout
    found = json.loads(out) if output == "json" else [*map(json.loads, out.splitlines())]
    assert Exit.OK == result.exit_code
    assert expected == [one["run"]["metadata"]["name"] for one in found]


def test_empty_list_is_said_and_no_failure(full: pathlib.Path) -> None:
    result = agentctl(full, "list", "--name", "z")

    assert (Exit.OK, "") == (result.exit_code, result.stdout)
    assert "no archived runs found" in result.stderr


def test_show_tells_of_the_run_in_words_that_cannot_steer_a_terminal(full: pathlib.Path) -> None:
    result = agentctl(full, "show", "b")

    assert Exit.OK == result.exit_code
    assert "Name:      b\nNamespace: crew\nUid:       uid-b\n" in result.stdout
    assert "Message:   bad  [31m end\n" in result.stdout


@pytest.mark.parametrize("output", ["json", "jsonl"])
def test_show_as_json_is_the_line_of_the_archive(full: pathlib.Path, output: str) -> None:
    result = agentctl(full, "show", "a", "-n", "team", "-o", output)

    shown = json.loads(result.stdout)
    assert "2026-07-01T12:00:00Z" == shown["archivedAt"]
    assert "uid-a" == shown["run"]["metadata"]["uid"]


def test_show_of_nothing_is_1(full: pathlib.Path) -> None:
    result = agentctl(full, "show", "a", "-n", "crew")

    assert Exit.UNSATISFIED == result.exit_code
    assert "expected a run with namespace crew, name a" in result.stderr


@pytest.mark.parametrize(
    "words", [("list", "--since", "soon"), ("list", "-n", "../x"), ("show", "a", "-n", "../x")]
)
def test_wrong_input_is_2(full: pathlib.Path, words: tuple[str, ...]) -> None:
    result = agentctl(full, *words)

    assert Exit.WRONG == result.exit_code
    assert "agentctl: expected" in result.stderr


@pytest.mark.parametrize("words", [("list",), ("show", "a")])
def test_archive_that_is_not_there_is_2(tmp_path: pathlib.Path, words: tuple[str, ...]) -> None:
    result = agentctl(tmp_path / "nowhere", *words)

    assert Exit.WRONG == result.exit_code


def test_damage_is_said_beside_the_list(full: pathlib.Path) -> None:
    with (full / "team" / TODAY).open("ab") as file:
        file.write(b"\x1f\x8b")

    result = agentctl(full, "list", "-o", "jsonl")

    assert Exit.OK == result.exit_code
    assert 2 == len(result.stdout.splitlines())
    assert "skipping 2 incomplete bytes at byte" in result.stderr


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-06-30", NOW - 1.5 * DAY),
        ("2026-06-30T12:00:00Z", NOW - DAY),
        ("2026-06-30T14:00:00+02:00", NOW - DAY),
        ("36h", NOW - 1.5 * DAY),
    ],
)
def test_when(text: str, expected: dt.datetime) -> None:
    assert expected == command.when(text, NOW)


@pytest.mark.parametrize("text", ["", "soon", "0s", "999999999999h", "2026-13-01"])
def test_when_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="expected a time"):
        command.when(text, NOW)
