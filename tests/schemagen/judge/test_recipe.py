"""Build layout of the judge's module: own sources, and modules without what is left out."""

import json
import pathlib
import subprocess
import sys
import zipfile

import pytest

from schemagen.judge import module, recipe

FILES = ("a.go", "b.go", "a_test.go", "testdata/c.go", "d/testdata/c.go", "d/e.go")


@pytest.fixture
def sources(tmp_path: pathlib.Path) -> pathlib.Path:
    folder = tmp_path / "a user's sources"
    folder.mkdir()
    for name in ("main.go", "go.sum", "module.py"):
        (folder / name).touch()
    (folder / "go.mod").write_text("module ours\n")
    return folder


class Go:
    """A Go command with two modules in its cache."""

    def __init__(self, root: pathlib.Path) -> None:
        self.root = root
        self.asked: list[tuple[str, ...]] = []

    def __call__(self, *arguments: str) -> str:
        self.asked.append(arguments)
        answers = [self._module("example.com/one", "v1.0.0"), self._module("two.io/x", "v0.2.0")]
        return "go: a warning\n" + "\n".join(answers)

    def _module(self, name: str, version: str) -> str:
        path = self.root / f"{version}.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for file in FILES:
                archive.writestr(f"{name}@{version}/{file}", file)
        return json.dumps({"Path": name, "Version": version, "Zip": str(path)}, indent="\t")


@pytest.fixture
def go(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Go:
    left_out = {"example.com/one": ("b.go",), "two.io/x": ("a.go", "d/e.go")}
    monkeypatch.setattr(recipe, "LEFT_OUT", left_out)
    return Go(tmp_path)


def test_folder_holds_ours_and_modules_without_what_is_left_out(
    tmp_path: pathlib.Path, sources: pathlib.Path, go: Go
) -> None:
    folder = tmp_path / "built in"

    recipe.lay_out(sources, folder, go)

    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert {
        *("go.mod", "go.sum", "main.go"),
        *("example.com/one@v1.0.0/a.go", "example.com/one@v1.0.0/d/e.go", "two.io/x@v0.2.0/b.go"),
    } == found
    assert [("mod", "download", "-json", "example.com/one", "two.io/x")] == go.asked


def test_go_mod_replaces_modules_with_the_copies(
    tmp_path: pathlib.Path, sources: pathlib.Path, go: Go
) -> None:
    recipe.lay_out(sources, tmp_path / "laid out", go)

    assert (
        "module ours\n"
        "replace example.com/one => ./example.com/one@v1.0.0\n"
        "replace two.io/x => ./two.io/x@v0.2.0\n"
    ) == (tmp_path / "laid out" / "go.mod").read_text()
    assert "module ours\n" == (sources / "go.mod").read_text()


def test_missing_file_is_reported_with_its_list(
    tmp_path: pathlib.Path, sources: pathlib.Path, go: Go, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_out = {"example.com/one": ("b.go", "x.go", "d/y.go"), "two.io/x": ()}
    monkeypatch.setattr(recipe, "LEFT_OUT", left_out)

    with pytest.raises(recipe.GoneError) as error:
        recipe.lay_out(sources, tmp_path / "laid out", go)

    assert (
        "expected example.com/one@v1.0.0/d/y.go, example.com/one@v1.0.0/x.go to leave out of the "
        "judge, got a module without; change LEFT_OUT in schemagen/judge/recipe.py for this version"
    ) == str(error.value)


PACKAGE = {
    "a.go": """// Licence.

package p

import (
	"errors"
	other "example.com/strings"
	"fmt"
	_ "embed"
)

// Kept says fmt.Sprint and errors.New.
func Kept(text string) error {
	if text == "" {
		return wrap(limit)
	}
	return fmt.Errorf("%v", other.Cut(text))
}

func Dropped() error {
	return errors.New(unused)
}

// A type.
type kind struct {
	name string
}

func (k *kind) Name() string {
	return k.name + suffix
}
""",
    "b.go": """package p

import "errors"

const (
	// The limit.
	limit = 1
	beside = 2
)

var suffix = "x"

var unused = "y"

func wrap(n int) error {
	return errors.New((&kind{}).Name())
}
""",
    "c.go": """package p

type alone struct{}
""",
}
REDUCED = {
    "a.go": """// Licence.

package p

import (
	other "example.com/strings"
	"fmt"
	_ "embed"
)

// Kept says fmt.Sprint and errors.New.
func Kept(text string) error {
	if text == "" {
		return wrap(limit)
	}
	return fmt.Errorf("%v", other.Cut(text))
}

// A type.
type kind struct {
	name string
}

func (k *kind) Name() string {
	return k.name + suffix
}
""",
    "b.go": """package p

import "errors"

const (
	// The limit.
	limit = 1
	beside = 2
)

var suffix = "x"

func wrap(n int) error {
	return errors.New((&kind{}).Name())
}
""",
}


@pytest.fixture
def kept(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Go:
    class Packages(Go):
        def __call__(self, *arguments: str) -> str:
            del arguments
            path = self.root / "one.zip"
            with zipfile.ZipFile(path, "w") as archive:
                for name in ("go.mod", "whole/a.go", "other/a.go", "whole/inner/a.go"):
                    archive.writestr(f"example.com/one@v1/{name}", name)
                for name, text in PACKAGE.items():
                    archive.writestr(f"example.com/one@v1/p/{name}", text)
            return json.dumps({"Path": "example.com/one", "Version": "v1", "Zip": str(path)})

    monkeypatch.setattr(recipe, "LEFT_OUT", {"example.com/one": ()})
    monkeypatch.setattr(recipe, "REDUCED", {"example.com/one": {"p": ("Kept",)}})
    monkeypatch.setattr(recipe, "UNPACKED", {"example.com/one": ("whole",)})
    return Packages(tmp_path)


def test_package_is_reduced_to_what_is_named_and_what_that_needs(
    tmp_path: pathlib.Path, sources: pathlib.Path, kept: Go
) -> None:
    recipe.lay_out(sources, tmp_path / "laid out", kept)

    folder = tmp_path / "laid out/example.com/one@v1"
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert {"go.mod", "whole/a.go", "p/a.go", "p/b.go"} == found
    assert REDUCED == {path.name: path.read_text() for path in (folder / "p").iterdir()}


def test_missing_declaration_is_reported_with_its_list(
    tmp_path: pathlib.Path, sources: pathlib.Path, kept: Go, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recipe, "REDUCED", {"example.com/one": {"p": ("Kept", "New")}})

    with pytest.raises(recipe.GoneError) as error:
        recipe.lay_out(sources, tmp_path / "laid out", kept)

    assert (
        "expected p.New to keep in the judge, got a module without; "
        "change REDUCED in schemagen/judge/recipe.py for this version"
    ) == str(error.value)


def test_modules_that_lose_files_are_required() -> None:
    required = (module.SOURCE / "go.mod").read_text()

    names = {*recipe.LEFT_OUT, *recipe.REDUCED, *recipe.UNPACKED}
    assert [] == [name for name in names if f"\t{name} v" not in required]
    assert {*recipe.LEFT_OUT} == names


def test_recipe_needs_only_the_standard_library() -> None:
    # Loaded like by the wheel's build hook, where nothing is installed.
    code = f"import runpy; runpy.run_path({recipe.__file__!r})"

    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], check=False)

    assert 0 == done.returncode


def test_other_recipe_makes_another_module(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {"KUBEWRIGHT_CACHE": str(tmp_path)}
    before = module.built_path(environment)
    other = tmp_path / "recipe.py"
    other.write_text("LEFT_OUT = {}\n")

    monkeypatch.setattr(recipe, "__file__", str(other))

    assert before != module.built_path(environment)
