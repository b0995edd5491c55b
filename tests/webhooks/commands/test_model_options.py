"""A command's options are those of a model's fields."""

import pathlib
from typing import Literal

import pydantic
import pytest
import typer
from pydantic import Field
from typer.testing import CliRunner

from webhooks.commands import model_options


class Settings(pydantic.BaseModel):
    """Settings of a command."""

    target: str = Field(description="What to paint.")
    coats: int = Field(2, ge=1, le=9, description="Coats of paint. [default: two]")
    is_glossy: bool = Field(default=False, description="With gloss.")
    dries: bool | None = Field(None, description="Wait until it is dry.")
    colors: tuple[str, ...] = Field((), description="Color; may be repeated.")
    mode: Literal["brush", "spray"] = Field("brush", description="Tool.")
    log: pathlib.Path | None = Field(None, description="Log file.")


NAMES = {"is_glossy": "--gloss", "dries": "--dry/--no-dry", "colors": "--color"}


def painted(*arguments: str) -> tuple[int, str, list[Settings]]:
    given: list[Settings] = []
    app = typer.Typer()

    @app.command()
    @model_options.filling(Settings, argument="target", names=NAMES, metavars={"log": "FILE"})
    def paint(settings: Settings) -> None:
        """Paint it."""
        given.append(settings)

    result = CliRunner().invoke(app, arguments, env={"COLUMNS": "200", "NO_COLOR": "1"})
    return result.exit_code, result.output, given


def test_defaults_are_those_of_the_fields() -> None:
    assert (0, "", [Settings(target="door")]) == painted("door")


def test_every_option_fills_its_field() -> None:
    code, _, given = painted(
        *("door", "--coats", "3", "--gloss", "--no-dry", "--color", "red", "--color", "blue"),
        *("--mode", "spray", "--log", "log.txt"),
    )

    expected = Settings(
        target="door",
        coats=3,
        is_glossy=True,
        dries=False,
        colors=("red", "blue"),
        mode="spray",
        log=pathlib.Path("log.txt"),
    )
    assert (0, [expected]) == (code, given)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("door", "--coats", "10"), "--coats"),
        (("door", "--mode", "dip"), "--mode"),
        (("door", "--glossy"), "No such option"),
        (("door", "--no-gloss"), "No such option"),
        ((), "Missing argument"),
    ],
)
def test_wrong_options_are_explained_by_the_parser(arguments: tuple[str, ...], words: str) -> None:
    code, output, given = painted(*arguments)

    assert (2, []) == (code, given)
    assert words in output


def test_help_has_descriptions_bounds_and_placeholders() -> None:
    code, output, _ = painted("--help")

    assert 0 == code
    for words in (
        "Paint it.",
        "What to paint.",
        "1<=x<=9",
        "Coats of paint. [default: two]",
        "--no-dry",
        "FILE",
    ):
        assert words in output
