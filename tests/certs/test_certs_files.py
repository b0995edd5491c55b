"""Certificates are read from, created in and replaced in a directory."""

import concurrent.futures
import datetime as dt
import pathlib
import shutil
import threading

import pytest

from certs import authority, expiry, tls_contexts
from certs.directory import files, renewal
from certs.directory.contents import NAMES as FILE_NAMES
from certs.directory.contents import Bundle, Contents, FileError, NotYetValidError

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
NAMES = ["webhooks.test", "127.0.0.1"]
CA = authority.new_authority("test", now=NOW)
OTHER = authority.new_authority("other", now=NOW)
LEAF = authority.issue_server(CA, NAMES, now=NOW)
DIRECTORY = pathlib.Path("/nowhere")
LAST_THIRD = NOW + authority.LEAF_LIFETIME - (authority.LEAF_LIFETIME + authority.BACKDATED) / 3


def contents(**pems: bytes) -> Contents:
    """Return contents by names such as ``ca_crt``."""
    return Contents(DIRECTORY, {name.replace("_", "."): pem for name, pem in pems.items()})


def all_of(issuer: authority.Pair = CA, leaf: authority.Pair = LEAF) -> Contents:
    return contents(
        ca_crt=issuer.certificate_pem,
        ca_key=issuer.key_pem,
        tls_crt=leaf.certificate_pem,
        tls_key=leaf.key_pem,
    )


def put(directory: pathlib.Path, given: Contents) -> None:
    for name, pem in given.files.items():
        (directory / name).write_bytes(pem)
        (directory / name).chmod(0o600)


@pytest.mark.parametrize("mode", [0o640, 0o604])
@pytest.mark.parametrize("name", ["tls.key", "ca.key"])
def test_key_that_others_may_read_is_told(tmp_path: pathlib.Path, name: str, mode: int) -> None:
    put(tmp_path, all_of())
    (tmp_path / name).chmod(mode)

    with pytest.raises(FileError) as caught:
        files.load_or_create(tmp_path, NAMES, NOW)

    assert str(caught.value) == (
        f"expected a key readable only by its owner at {tmp_path / name}, got mode {mode:04o}: "
        f"chmod 600 {tmp_path / name}"
    )


def test_modes_in_a_volume_of_its_own_are_the_kubelets_business(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, all_of())
    (tmp_path / "tls.key").chmod(0o640)
    monkeypatch.setattr("os.path.ismount", lambda path: path == tmp_path)

    assert files.load_or_create(tmp_path, NAMES, NOW).server == LEAF


def project(volume: pathlib.Path, generation: str, pems: dict[str, bytes], folder: str) -> None:
    """Write a Secret with ``items`` to a directory of a volume, as the kubelet does."""
    place = volume / generation / folder
    place.mkdir(parents=True)
    for name, pem in pems.items():
        (place / name).write_bytes(pem)
        (place / name).chmod(0o644)
    (volume / "..data_tmp").symlink_to(generation)
    (volume / "..data_tmp").replace(volume / "..data")
    link = volume / folder.split("/", maxsplit=1)[0]
    if not link.is_symlink():
        link.symlink_to(f"..data/{link.name}")


GIVEN = {"tls.crt": LEAF.certificate_pem, "tls.key": LEAF.key_pem, "ca.crt": CA.certificate_pem}


@pytest.mark.parametrize("folder", ["webhook", "certs/webhook"])
def test_secret_is_taken_from_a_folder_of_a_volume(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    project(tmp_path, "..2026_01", GIVEN, folder)
    monkeypatch.setattr("os.path.ismount", lambda path: path == tmp_path)

    assert LEAF == files.load_or_create(tmp_path / folder, NAMES, NOW).server

    other = authority.issue_server(CA, NAMES, now=NOW)
    pems = {**GIVEN, "tls.crt": other.certificate_pem, "tls.key": other.key_pem}
    project(tmp_path, "..2026_02", pems, folder)

    assert other == files.load(tmp_path / folder, NAMES, NOW).server


def test_pair_in_a_folder_of_a_volume_is_of_one_generation(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = authority.issue_server(CA, NAMES, now=NOW)
    pems = {**GIVEN, "tls.crt": other.certificate_pem, "tls.key": other.key_pem}
    project(tmp_path, "..2026_01", GIVEN, "webhook")
    monkeypatch.setattr("os.path.ismount", lambda path: path == tmp_path)
    read, reads = pathlib.Path.read_bytes, []

    def swap(path: pathlib.Path) -> bytes:
        reads.append(path.name)
        if len(reads) == 3:  # ca.crt and ca.key were looked for, tls.crt is read
            project(tmp_path, "..2026_02", pems, "webhook")
            shutil.rmtree(tmp_path / "..2026_01")
        return read(path)

    monkeypatch.setattr(pathlib.Path, "read_bytes", swap)

    assert other == files.load(tmp_path / "webhook", NAMES, NOW).server
    assert "tls.key" in reads


def test_folder_of_links_that_is_no_mount_is_none_of_the_kubelets(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own").mkdir()
    project(tmp_path / "own", "..2026_01", GIVEN, "webhook")
    monkeypatch.setattr("os.path.ismount", lambda path: path == tmp_path)

    with pytest.raises(FileError, match="readable only by its owner"):
        files.load_or_create(tmp_path / "own" / "webhook", NAMES, NOW)


def test_given_pair_of_a_time_to_come_is_told_apart(tmp_path: pathlib.Path) -> None:
    put(tmp_path, contents(tls_crt=LEAF.certificate_pem, tls_key=LEAF.key_pem))
    before = LEAF.certificate.not_valid_before_utc - dt.timedelta(seconds=1)

    with pytest.raises(NotYetValidError, match="expected a certificate that is valid now"):
        files.load_or_create(tmp_path, NAMES, before)


def test_no_authority_is_made_where_one_is_believed_already(tmp_path: pathlib.Path) -> None:
    with pytest.raises(FileError, match=r"expected tls\.crt and tls\.key in .*, got neither"):
        files.load(tmp_path, NAMES, NOW)


def test_lifetimes_are_those_asked_for(tmp_path: pathlib.Path) -> None:
    lifetimes = authority.Lifetimes(dt.timedelta(days=2), dt.timedelta(days=9))

    bundle = files.load_or_create(tmp_path, NAMES, NOW, lifetimes)

    ca = authority.read_bundle(bundle.ca_pem or b"")[0]
    assert bundle.server.certificate.not_valid_after_utc == NOW + dt.timedelta(days=2)
    assert ca.not_valid_after_utc == NOW + dt.timedelta(days=9)


def test_authority_that_is_replaced_stays_in_the_bundle(tmp_path: pathlib.Path) -> None:
    first = files.load_or_create(tmp_path, NAMES, NOW)
    due = expiry.renewal_time(authority.read_bundle(first.ca_pem or b"")[0])

    second = files.load_or_create(tmp_path, NAMES, due)
    third = files.load(tmp_path, NAMES, due)

    assert second == third
    assert tls_contexts.verifies(second.ca_pem or b"", first.server)
    assert tls_contexts.verifies(second.ca_pem or b"", second.server)
    assert not tls_contexts.verifies(first.ca_pem or b"", second.server)


def test_names_that_another_server_of_the_directory_asked_for_stay(tmp_path: pathlib.Path) -> None:
    files.load_or_create(tmp_path, ["one.test"], NOW)

    both = files.load_or_create(tmp_path, ["two.test"], NOW)

    assert {"one.test", "two.test"} == renewal.covered(both.server.certificate)
    assert both == files.load_or_create(tmp_path, ["one.test"], NOW)


def test_what_is_due_is_used_where_nothing_can_be_written(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = files.load_or_create(tmp_path, NAMES, NOW)

    def refuse(*_: object) -> int:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("os.open", refuse)

    assert first == files.load_or_create(tmp_path, NAMES, LAST_THIRD)
    with pytest.raises(FileError, match="Read-only file system"):
        files.load(tmp_path, NAMES, LAST_THIRD)
    with pytest.raises(FileError, match="Read-only file system"):
        files.load_or_create(tmp_path, NAMES, NOW + authority.LEAF_LIFETIME)


def test_missing_directory_is_made_for_the_owner_alone(tmp_path: pathlib.Path) -> None:
    directory = tmp_path / "deep" / "certs"

    bundle = files.load_or_create(directory, NAMES, NOW)

    modes = {name: (directory / name).stat().st_mode & 0o777 for name in FILE_NAMES}
    assert directory.stat().st_mode & 0o777 == 0o700
    assert modes == {"ca.crt": 0o644, "ca.key": 0o600, "tls.crt": 0o644, "tls.key": 0o600}
    assert (directory / "ca.crt").read_bytes() == bundle.ca_pem
    assert (directory / "tls.crt").read_bytes() == bundle.server.certificate_pem
    assert (directory / "tls.key").read_bytes() == bundle.server.key_pem


def test_second_load_finds_what_the_first_made(tmp_path: pathlib.Path) -> None:
    first = files.load_or_create(tmp_path, NAMES, NOW)
    second = files.load_or_create(tmp_path, NAMES, NOW)

    assert first == second


def test_old_leaf_is_replaced_under_the_same_authority(tmp_path: pathlib.Path) -> None:
    first = files.load_or_create(tmp_path, NAMES, NOW)

    second = files.load_or_create(tmp_path, NAMES, LAST_THIRD)

    assert first.ca_pem == second.ca_pem
    assert first.server != second.server
    assert files.load_or_create(tmp_path, NAMES, LAST_THIRD) == second


def test_leaf_does_not_outlive_an_authority_of_others(tmp_path: pathlib.Path) -> None:
    put(tmp_path, contents(ca_crt=CA.certificate_pem, ca_key=CA.key_pem))
    ca = CA.certificate

    late = files.load_or_create(tmp_path, NAMES, ca.not_valid_after_utc - dt.timedelta(days=1))

    assert late.server.certificate.not_valid_after_utc == ca.not_valid_after_utc


def test_given_pair_is_used_without_writing_anything(tmp_path: pathlib.Path) -> None:
    put(tmp_path, contents(tls_crt=LEAF.certificate_pem, tls_key=LEAF.key_pem))
    before = sorted(tmp_path.iterdir())

    bundle = files.load_or_create(tmp_path, ["other.test"], NOW)

    assert bundle == Bundle(LEAF, None)
    assert sorted(tmp_path.iterdir()) == before


def test_corrupt_file_is_left_as_it_is(tmp_path: pathlib.Path) -> None:
    put(tmp_path, all_of())
    (tmp_path / "tls.key").write_bytes(b"precious")

    with pytest.raises(FileError, match=r"at tls\.crt and tls\.key in "):
        files.load_or_create(tmp_path, NAMES, NOW)

    assert (tmp_path / "tls.key").read_bytes() == b"precious"


def test_path_of_a_file_is_told(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "file"
    file.touch()

    with pytest.raises(FileError, match=r"expected to write certificates to .*, got"):
        files.load_or_create(file, NAMES, NOW)


def test_file_that_cannot_be_read_is_told(tmp_path: pathlib.Path) -> None:
    (tmp_path / "tls.crt").mkdir()

    with pytest.raises(FileError, match=r"expected to read .*tls\.crt, got Is a directory"):
        files.load_or_create(tmp_path, NAMES, NOW)


def test_files_put_there_by_hand_are_taken_over(tmp_path: pathlib.Path) -> None:
    put(tmp_path, all_of())

    bundle = files.load_or_create(tmp_path, [*NAMES, "more.test"], NOW)

    assert bundle.ca_pem == CA.certificate_pem
    assert (tmp_path / "ca.key").read_bytes() == CA.key_pem
    assert (tmp_path / "tls.crt").read_bytes() == bundle.server.certificate_pem
    assert bundle.server != LEAF


def test_volume_of_the_kubelet_is_read_through_its_links(tmp_path: pathlib.Path) -> None:
    generation = tmp_path / "..2026_01_01"
    generation.mkdir()
    put(generation, contents(tls_crt=LEAF.certificate_pem, tls_key=LEAF.key_pem))
    (tmp_path / "..data").symlink_to("..2026_01_01")
    for name in ("tls.crt", "tls.key"):
        (tmp_path / name).symlink_to(f"..data/{name}")

    assert files.load_or_create(tmp_path, NAMES, NOW).server == LEAF


def test_generations_do_not_pile_up(tmp_path: pathlib.Path) -> None:
    for number in range(5):
        files.load_or_create(tmp_path, [f"n{number}.test"], NOW)

    assert len(list(tmp_path.glob("..generation-*"))) == 2


@pytest.mark.parametrize("by_hand", [False, True])
def test_reader_never_sees_a_mixed_pair(tmp_path: pathlib.Path, *, by_hand: bool) -> None:
    if by_hand:
        put(tmp_path, all_of())
    else:
        files.load_or_create(tmp_path, NAMES, NOW)
    done = threading.Event()

    def read() -> int:
        seen = set()
        while not done.is_set():
            seen.add(files.load_or_create(tmp_path, [], NOW).server)
        return len(seen)

    with concurrent.futures.ThreadPoolExecutor() as pool:
        readers = [pool.submit(read) for _ in range(2)]
        try:
            for number in range(50):
                files.load_or_create(tmp_path, [f"n{number}.test"], NOW)
        finally:
            done.set()

    # check_pair runs on each read: a mixed one would have raised.
    assert all(reader.result() >= 1 for reader in readers)


def test_two_that_create_at_once_agree(tmp_path: pathlib.Path) -> None:
    together = threading.Barrier(4)

    def load() -> Bundle:
        together.wait()
        return files.load_or_create(tmp_path / "certs", NAMES, NOW)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        bundles = {bundle.result() for bundle in [pool.submit(load) for _ in range(4)]}

    assert len(bundles) == 1
