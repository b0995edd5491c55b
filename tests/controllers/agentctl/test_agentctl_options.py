"""Options declared as the fields of a dataclass."""

import dataclasses
import pathlib
from typing import Annotated

import pytest
import typer
from typer import testing

from controllers.agentctl import cli, options


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bread:
    """What is baked."""

    grain: Annotated[str, typer.Option(help="Grain.")]
    loaves: Annotated[int, typer.Option("--count", min=1, help="Number of loaves.")] = 1
    seeds: Annotated[list[str] | None, typer.Option("--seed", help="Seeds.")] = None


def bake(*words: str) -> testing.Result:
    app = typer.Typer()

    @app.command()
    @options.expanded
    def command(bread: Bread, oven: Annotated[str, typer.Option(help="Oven.")] = "stone") -> None:
        typer.echo(f"{bread.grain} {bread.loaves} {bread.seeds} {oven}")

    return testing.CliRunner().invoke(app, words)


def test_command_is_called_with_the_filled_value() -> None:
    done = bake("--grain", "rye", "--count", "2", "--seed", "a", "--seed", "b", "--oven", "gas")

    assert (0, "rye 2 ['a', 'b'] gas\n") == (done.exit_code, done.stdout)


def test_options_not_given_have_their_defaults() -> None:
    assert "rye 1 None stone\n" == bake("--grain", "rye").stdout


def test_field_without_default_is_a_required_option() -> None:
    done = bake()

    assert 2 == done.exit_code
    assert "Missing option '--grain'" in done.output


def test_options_are_listed_in_the_order_of_parameters_and_fields() -> None:
    text = bake("--help").stdout

    places = [text.index(name) for name in ("--grain", "--count", "--seed", "--oven")]
    assert sorted(places) == places


@pytest.mark.parametrize("command", ["plan", "run", "verify", "rollback"])
@pytest.mark.parametrize("is_variable", [True, False])
def test_migrate_takes_the_kubeconfig_of_every_other_command(
    tmp_path: pathlib.Path, command: str, *, is_variable: bool
) -> None:
    path = str(tmp_path / "absent")
    words = ["migrate", command, "runs", *(["--to", "v1"] if command != "rollback" else [])]

    done = testing.CliRunner().invoke(
        cli.app,
        words if is_variable else [*words, "--kubeconfig", path],
        env={
            "KUBECONFIG": "/no-such-place",
            options.KUBECONFIG_VARIABLE: path if is_variable else "/no-such-place",
        },
    )

    assert 2 == done.exit_code, done.output
    assert f"expected a kubeconfig at {path}" in done.stderr
