"""Where the control plane's binaries are searched, and what happens if there are none."""

import pathlib
import subprocess
import sys

import pytest

from controllers.devcluster import binaries, tools, versions
from controllers.devcluster.versions import Version
from schemagen import files

KUBECTL = tools.KUBECTL


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("Kubernetes v1.37.2", Version(1, 37, 2)),
        ("etcd Version: 3.7.3\nGit SHA: 7", Version(3, 7, 3)),
        ("Client Version: v1.34.0-alpha.1+dirty", Version(1, 34, 0)),
        ("go version go1.26 linux/amd64", Version(1, 26)),
        ("no version", None),
        ("", None),
        ("9" * 5000 + "." + "1" * 5000, Version(999999999, 111111111)),
    ],
)
def test_version_is_found_in_what_a_program_says(text: str, version: Version | None) -> None:
    assert version == Version.found_in(text)


def test_versions_are_ordered_by_number() -> None:
    assert Version(1, 9, 9) < Version(1, 34) < Version(1, 34, 1) < Version(1, 100)


def test_wanted_version_can_be_set_for_one_run() -> None:
    assert Version.found_in(versions.KUBERNETES_VERSION) == versions.wanted({})
    assert Version(1, 36, 2) == versions.wanted({versions.VARIABLE: "v1.36.2"})


@pytest.mark.parametrize("text", ["1.33.9", "newest", "1"])
def test_version_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"version 1\.34\.0 or newer, got"):
        versions.wanted({versions.VARIABLE: text})


class Places:
    """Directories with programs that print a version, and the matching environment."""

    def __init__(self, root: pathlib.Path) -> None:
        self.root = root
        self.environment = {
            "KUBEBUILDER_ASSETS": str(root / "assets"),
            "PATH": str(root / "path"),
            "KUBEWRIGHT_CACHE": str(root / "cache"),
        }
        self.cache = binaries.built_directory(self.environment)
        self.told: list[str] = []

    def put(self, folder: str | pathlib.Path, says: str, *, mode: int = 0o755) -> pathlib.Path:
        """Create a program in a directory."""
        path = self.root / folder / KUBECTL.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(says if says.startswith("#!") else f"#!/bin/sh\necho {says}\n")
        path.chmod(mode)
        return path

    def look(self) -> tuple[str, pathlib.Path] | None:
        """Locate kubectl; return its origin and path."""
        found = binaries.locate(KUBECTL, tell=self.told.append, environment=self.environment)
        return (found.origin, found.path) if found else None


@pytest.fixture
def places(tmp_path: pathlib.Path) -> Places:
    return Places(tmp_path)


def test_assets_go_before_path_and_path_before_the_cache(places: Places) -> None:
    cached = places.put(places.cache, "v1.37.2")
    from_cache = places.look()
    on_path = places.put("path", "v1.37.2")
    from_path = places.look()
    asset = places.put("assets", "v1.37.2")
    from_assets = places.look()

    assert [("cache", cached), ("PATH", on_path), ("KUBEBUILDER_ASSETS", asset)] == [
        from_cache,
        from_path,
        from_assets,
    ]


def test_assets_without_the_tool_are_told_of(places: Places) -> None:
    found = places.put("path", "v1.37.2")

    assert ("PATH", found) == places.look()
    assert [
        f"KUBEBUILDER_ASSETS={places.root / 'assets'} has no kubectl; continuing the search"
    ] == places.told


def test_too_old_binary_is_passed_over(places: Places) -> None:
    old = places.put("assets", "Client Version: v1.33.7")
    new = places.put("path", "Client Version: v1.34.0")

    assert ("PATH", new) == places.look()
    assert [
        f"skipping {old} (KUBEBUILDER_ASSETS): expected kubectl 1.34.0 or newer, got 1.33.7"
    ] == places.told


@pytest.mark.parametrize(
    ("says", "mode"),
    [
        ("#!/bin/sh\necho v1.37.2; exit 3\n", 0o755),
        ("#!/bin/sh\necho hello\n", 0o755),
        ("#!/bin/sh\n", 0o755),
        ("#!/bin/sh\nhead -c 100000 /dev/zero | tr '\\0' '\\377'\n", 0o755),
        ("#!/bin/sh\nread line && echo v1.37.2\n", 0o755),
        ("#!/nowhere/sh\n", 0o755),
        ("v1.37.2", 0o644),
    ],
    ids=[
        *("fails", "says no version", "says nothing", "says junk"),
        *("waits for input", "cannot run", "not executable"),
    ],
)
def test_broken_binary_is_passed_over(places: Places, says: str, mode: int) -> None:
    places.put("assets", says, mode=mode)
    good = places.put("path", "v1.37.2")

    assert ("PATH", good) == places.look()
    (line,) = places.told
    assert line.startswith(f"skipping {places.root / 'assets/kubectl'} (KUBEBUILDER_ASSETS): ")
    assert len(line) < 1000


def test_hanging_binary_is_passed_over(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "_VERSION_SECONDS", 0.2)
    places.put("assets", "#!/bin/sh\nexec sleep 100\n")
    good = places.put("path", "v1.37.2")

    found = places.look()

    assert ("PATH", good) == found
    assert "timed out after 0.2" in places.told[0]


def test_directory_is_no_binary(places: Places) -> None:
    (places.root / "assets" / KUBECTL.name).mkdir(parents=True)
    good = places.put("path", "v1.37.2")

    found = places.look()

    assert ("PATH", good) == found


def test_places_may_be_named_from_here(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(places.root)
    places.environment |= {"KUBEBUILDER_ASSETS": "assets", "KUBEWRIGHT_CACHE": "cache"}
    asset = places.put("assets", "v1.37.2")

    found = places.look()

    assert ("KUBEBUILDER_ASSETS", asset) == found
    assert places.root / "cache" == files.cache_directory(places.environment)


def test_cache_is_where_the_user_keeps_caches(tmp_path: pathlib.Path) -> None:
    xdg = files.cache_directory({"XDG_CACHE_HOME": str(tmp_path)})
    own = files.cache_directory({"XDG_CACHE_HOME": "/x", "KUBEWRIGHT_CACHE": str(tmp_path)})

    assert (tmp_path / "kubewright", tmp_path) == (xdg, own)


def test_cache_keeps_versions_apart() -> None:
    newest = binaries.built_directory({versions.VARIABLE: "1.37.2"})
    other = binaries.built_directory({versions.VARIABLE: "1.36.2"})

    assert newest != other


def test_other_version_is_used_and_said(places: Places) -> None:
    path = places.put("path", "v1.35.1")

    found = binaries.find([KUBECTL], tell=places.told.append, environment=places.environment)

    assert path == found["kubectl"].path
    assert (
        f"using kubectl 1.35.1 (PATH: {path}) instead of {versions.KUBERNETES_VERSION}"
        in places.told
    )


def test_nothing_anywhere_names_every_way(tmp_path: pathlib.Path) -> None:
    code = "from controllers.devcluster import binaries; binaries.find()"
    environment = {
        "PATH": str(tmp_path),
        "KUBEWRIGHT_CACHE": str(tmp_path / "cache"),
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(tmp_path),
    }

    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )

    assert (
        "ToolNotFoundError: expected etcd for Kubernetes 1.34.0 or newer, got none" in done.stderr
    )
    for way in ("KUBEBUILDER_ASSETS", "add it to PATH", "install Go 1.26", "PyPI"):
        assert way in done.stderr
