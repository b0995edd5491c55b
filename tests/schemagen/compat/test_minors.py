"""Judges of older minor versions: how they are made, and what they say.

The cases are put to the judges of 1.34 and of the newest minor version; with ``KUBEWRIGHT_DEEP=1``,
as by ``make prove-minors``, to all of them.
"""

import pathlib
import re

import pytest

from schemagen import judge
from schemagen.compat import installation, releases
from schemagen.judge import minors, module, recipe
from tests.support import depth, minor_cases

EVERY = releases.parsed("1.29..1.37")
RELEASES = EVERY if depth.DEEP else releases.parsed("1.34,1.37")


def opened(release: releases.Release) -> judge.Judge:
    """The judge of a minor version; one that is not built is an error that says what builds it."""
    return judge.Judge(deadline_seconds=60, minor=release.minor)


@pytest.mark.parametrize("minor", minors.OLDER_ONES, ids=str)
def test_every_edit_applies(minor: minors.Minor) -> None:
    sources = minor.sources()

    assert {*minors.SOURCES, "go.mod", "go.sum"} <= {*sources}


def test_edit_that_does_not_apply_is_told() -> None:
    edit = minors.Edit("main.go", "gone", "", 36)

    with pytest.raises(recipe.GoneError, match=r"expected 'gone' in schemagen/judge/main\.go"):
        edit.applied("package main\n")


def test_edit_changes_only_the_named_function() -> None:
    text = "func a() {\n\tx()\n}\n\nfunc b() {\n\tx()\n}\n"

    changed = minors.Edit("main.go", "x()", "y()", 36, within="func b(").applied(text)

    assert "func a() {\n\tx()\n}\n\nfunc b() {\n\ty()\n}\n" == changed


@pytest.mark.parametrize("minor", minors.OLDER_ONES, ids=str)
def test_modules_are_those_of_the_minor_version(minor: minors.Minor) -> None:
    required = dict(
        re.findall(r"\t(k8s\.io/\S+) v0\.(\d+)\.", (minor.folder / "go.mod").read_text())
    )

    names = ("apiextensions-apiserver", "apimachinery", "apiserver")
    assert {str(minor.number)} == {required[f"k8s.io/{name}"] for name in names}


def test_each_has_a_module_of_its_own(tmp_path: pathlib.Path) -> None:
    environment = {"KUBEWRIGHT_CACHE": str(tmp_path)}

    paths = {module.built_path(environment, minor) for minor in (None, *minors.OLDER_ONES)}

    assert len(minors.OLDER_ONES) + 1 == len(paths)


def test_missing_judge_says_what_builds_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    monkeypatch.setenv("KUBEWRIGHT_CACHE", str(tmp_path))

    with pytest.raises(judge.JudgeMissingError, match=r"schemagen check --kubernetes 1\.34"):
        judge.Judge(minor=minors.Minor(34)).check({})


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("1.37", "1.37"),
        ("1.36,1.35", "1.35..1.36"),
        ("1.29..1.31,1.34, 1.36..1.37", "1.29..1.31,1.34,1.36..1.37"),
    ],
)
def test_ranges_are_read_and_written(text: str, written: str) -> None:
    assert written == releases.ranges(releases.parsed(text))


@pytest.mark.parametrize("release", RELEASES, ids=str)
def test_objects_of_cases_are_judged_as_reports_say(release: releases.Release) -> None:
    with opened(release) as oracle:
        problems = [line for case in minor_cases.CASES for line in case.refusals(oracle, release)]

    assert [] == problems


def test_cases_are_judged_as_reports_say() -> None:
    outcomes: dict[str, dict[releases.Release, installation.Outcome]] = {
        case.name: {} for case in minor_cases.CASES
    }
    for release in RELEASES:
        with opened(release) as oracle:
            for case in minor_cases.CASES:
                outcomes[case.name][release] = case.judged(oracle)

    assert [] == [line for case in minor_cases.CASES for line in case.problems(outcomes[case.name])]


def test_every_case_names_its_report_and_every_minor_version() -> None:
    assert [] == [
        case.name
        for case in minor_cases.CASES
        if not case.source.startswith("https://github.com/") or {*case.expected} != {*EVERY}
    ]
