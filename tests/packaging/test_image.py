"""The Dockerfile is sound, and what it does to the wheel yields programs that start anywhere."""

import json
import pathlib
import re
import subprocess
import sysconfig
import tomllib

import pytest

from schemagen import files
from schemagen.judge import module
from tests.packaging.test_wheel import ROOT, build
from tests.support import images

pytestmark = pytest.mark.slow

IMAGE = ROOT / ".image"
DOCKERFILE = (IMAGE / "Dockerfile").read_text()
SITE = sysconfig.get_paths()["purelib"]


def instructions() -> list[tuple[str, str]]:
    """The instructions, continuation lines joined, comments left out."""
    lines = [line for line in DOCKERFILE.splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [
        (word, rest)
        for word, _, rest in (line.partition(" ") for line in joined.splitlines() if line)
    ]


def stages() -> dict[str, list[tuple[str, str]]]:
    """The instructions of each stage, after those of the stage that it starts from."""
    found: dict[str, list[tuple[str, str]]] = {}
    name = ""
    for word, rest in instructions():
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            found[name] = [*found.get(base, [])]
        elif name:
            found[name].append((word, rest))
    return found


def test_every_stage_is_named_and_its_base_can_be_chosen() -> None:
    bases = [rest for word, rest in instructions() if word == "FROM"]
    arguments = [rest for word, rest in instructions() if word == "ARG"]

    assert all(re.fullmatch(r"(\$\{\w+\}|\w+) AS \w+", base) for base in bases)
    assert all(re.fullmatch(r"\w+=\w+:[\d.]+(-slim)?", argument) for argument in arguments)


@pytest.mark.parametrize("image", ["main", "runner"])
def test_image_runs_as_a_user_without_rights(image: str) -> None:
    found = dict(stages()[image])

    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", found["USER"])
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert set(json.loads(found["ENTRYPOINT"])) <= scripts.keys()


@pytest.mark.parametrize("image", ["main", "runner"])
def test_image_has_no_build_tools(image: str) -> None:
    words = [f"{word} {rest}" for word, rest in stages()[image]]

    assert not [line for line in words if re.search(r"apt|/usr/local/go|pip install", line)]


def test_nothing_is_downloaded_without_a_hash() -> None:
    runs = [rest for word, rest in instructions() if word == "RUN"]
    text = "\n".join((*runs, (IMAGE / "fill").read_text()))
    downloads = [
        line
        for line in text.splitlines()
        if " install " in line and "--no-deps" not in line and "--require-hashes" not in line
    ]

    assert [] == downloads
    assert "ADD" not in {word for word, _ in instructions()}
    assert not re.search(r"curl|wget|apt-get", text)


def test_what_is_copied_exists_and_is_sent_to_the_builder() -> None:
    ignored = (IMAGE / "Dockerfile.dockerignore").read_text().splitlines()
    sent = [pattern.removeprefix("!") for pattern in ignored if pattern.startswith("!")]
    copied = [
        name
        for word, rest in instructions()
        if word == "COPY" and "--from" not in rest
        for name in rest.split()[:-1]
        if name != "."
    ]
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    packages = packages["targets"]["wheel"]["packages"]

    assert [] == [name for name in copied if not (ROOT / name).is_file()]
    assert all(any(pathlib.PurePath(name).match(pattern) for pattern in sent) for name in copied)
    assert {*packages, "pyproject.toml", "README.md", "LICENSE"} <= {*sent}


@pytest.mark.parametrize("name", ["image", "runner", "build", "temporal", "traces"])
def test_locks_have_the_versions_that_are_tested(name: str) -> None:
    def versions(lock: str) -> set[str]:
        text = (ROOT / ".requirements" / f"{lock}.txt").read_text()
        return set(re.findall(r"^([\w.-]+==[\w.]+)", text, re.MULTILINE))

    assert versions(name) <= versions("dev")
    assert versions(name)


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.mark.parametrize("lock", ["image", *PROJECT["optional-dependencies"]])
def test_lock_has_every_dependency_with_hashes(lock: str) -> None:
    wanted = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"].get(lock, [])]
    names = {re.split(r"[>=<\[ ;]", item)[0] for item in wanted}
    locked = (ROOT / ".requirements" / f"{lock}.txt").read_text()

    assert [] == [name for name in names if not re.search(rf"^{name}==", locked, re.MULTILINE)]
    packages = re.findall(r"^\S+==.*(?:\n .*)*", locked, re.MULTILINE)
    assert [] == [package for package in packages if "--hash=sha256:" not in package]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    built = module.find()
    assert built is not None, "run `make judge`"
    return build(tmp_path_factory.mktemp("wheel"), KUBEWRIGHT_JUDGE=str(built))


def test_runner_needs_one_package_and_starts_where_nothing_can_be_written(
    wheel: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    lock = tmp_path / "nothing.txt"
    lock.touch()
    images.fill("runner", wheel, lock, tmp_path / "runner")
    (tmp_path / "packages").mkdir()
    for name in ("msgspec", "typing_extensions.py"):
        (tmp_path / "packages" / name).symlink_to(pathlib.Path(SITE, name))

    done = subprocess.run(
        images.command(tmp_path / "runner", "agent-runner", more=str(tmp_path / "packages")),
        capture_output=True,
        text=True,
        check=False,
    )

    assert "agent-runner: expected" in done.stderr
    assert "Traceback" not in done.stderr
    assert images.size_bytes(tmp_path / "runner") < 1_000_000
    document = json.loads((tmp_path / "runner" / "sbom.spdx.json").read_text())
    assert {"kubewright/agent-runner", "kubewright"} == {
        package["name"] for package in document["packages"]
    }


@pytest.mark.parametrize("words", [("agentctl", "version"), ("webhooks", "--help")])
def test_programs_of_the_wheel_start_where_nothing_can_be_written(
    wheel: pathlib.Path, tmp_path: pathlib.Path, words: tuple[str, ...]
) -> None:
    images.install(wheel, tmp_path / "lib")

    done = subprocess.run(
        images.command(tmp_path, *words, more=SITE), capture_output=True, text=True, check=False
    )

    assert (0, "") == (done.returncode, done.stderr)


@pytest.mark.slow
def test_programs_need_nothing_that_is_removed_from_packages(
    wheel: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    lock = tmp_path / "nothing.txt"
    lock.touch()
    lib = tmp_path / "main" / "lib"
    for name in ("cel_expr_python", "cel_expr_python/ext"):
        (lib / name).mkdir(parents=True)
        for path in pathlib.Path(SITE, name).iterdir():
            if path.name not in {"__init__.py", "ext"}:
                (lib / name / path.name).symlink_to(path)
    # What is compiled elsewhere already.
    (tmp_path / "main" / "cache").symlink_to(files.cache_directory())
    images.fill("main", wheel, lock, tmp_path / "main")

    done = subprocess.run(
        images.command(tmp_path / "main", "agentctl", "get", "agents", more=SITE, **images.IN_POD),
        capture_output=True,
        text=True,
        check=False,
    )

    assert ["ext_optional"] == [path.name.split(".")[0] for path in lib.rglob("ext_*.so")]
    assert done.stderr.startswith("agentctl: expected a pod's service account")
