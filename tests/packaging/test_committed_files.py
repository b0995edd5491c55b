"""No committed file is a private key, a leftover, huge, or names this checkout."""

import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).parents[2]
LEFTOVERS = (".orig", ".rej", "~", ".swp", ".bak")
MAX_BYTES = 1_000_000
# The API server's own validation, built from source into the wheel.
LARGE = "judge.wasm"
# With at least a line of base64: code and documents may name the words.
PRIVATE_KEY = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/=]{16}")
EXAMPLE = b"-----BEGIN EC PRIVATE KEY-----\n" + b"MHcCAQEEIOm0u8Zk" * 4


def is_refused(name: str, content: bytes, checkout: pathlib.Path = ROOT) -> bool:
    return (
        name.endswith(LEFTOVERS)
        or (len(content) > MAX_BYTES and not name.endswith(LARGE))
        or PRIVATE_KEY.search(content) is not None
        or f"{checkout}/".encode() in content
    )


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a/tls.key", EXAMPLE, True),
        ("a/readme.md", b"see:\n" + EXAMPLE, True),
        ("a/cli.py.orig", b"", True),
        ("a/cli.py.rej", b"", True),
        ("a/cli.py~", b"", True),
        ("a/data.json", b" " * 1_000_001, True),
        ("a/judge.wasm", b" " * 1_000_001, False),
        ("a/readme.md", b"see /srv/checkouts/ours/docs", True),
        ("a/readme.md", b"see /srv/checkouts/theirs/docs", False),
        ("a/authority.py", b'"-----BEGIN PRIVATE KEY-----" is never shown', False),
    ],
)
def test_what_must_not_be_committed_is_recognized(
    name: str, content: bytes, *, expected: bool
) -> None:
    assert expected == is_refused(name, content, pathlib.Path("/srv/checkouts/ours"))


def test_no_committed_file_is_one() -> None:
    listed = subprocess.run(
        ["/usr/bin/env", "git", "ls-files", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("no git repository: an unpacked sdist")
    paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    files = [path for path in paths if path.is_file() and not path.is_symlink()]

    assert [] == [
        str(path.relative_to(ROOT)) for path in files if is_refused(path.name, path.read_bytes())
    ]
    assert len(files) > 100
