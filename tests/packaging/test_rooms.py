"""Folders are small enough to be read at a glance, and tests are where their subjects are."""

import collections
import pathlib

ROOT = pathlib.Path(__file__).parents[2]
PACKAGES = ("schemagen", "webhooks", "certs", "crds", "controllers")
MAX_MODULES = 12


def test_no_folder_has_more_modules_than_fit_a_glance() -> None:
    modules = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    folders = collections.Counter(path.parent.relative_to(ROOT) for path in modules)

    crowded = {str(folder): count for folder, count in folders.items() if count > MAX_MODULES}

    assert {} == crowded
    assert len(folders) > 40


def test_every_folder_of_modules_is_a_package_with_a_docstring() -> None:
    folders = {path.parent for package in PACKAGES for path in (ROOT / package).rglob("*.py")}

    silent = [
        str(folder.relative_to(ROOT))
        for folder in folders
        if not (path := folder / "__init__.py").is_file() or not path.read_text().startswith('"""')
    ]

    assert [] == silent


def test_folders_of_tests_are_those_of_the_packages() -> None:
    folders = {
        path.parent
        for package in PACKAGES
        for path in (ROOT / "tests" / package).rglob("test_*.py")
    }

    unknown = [
        str(folder)
        for folder in folders
        if not (ROOT / folder.relative_to(ROOT / "tests")).is_dir()
    ]

    assert [] == unknown
