"""Help is as wide as the terminal, however wide the lines of the docstring are."""

import pytest
from typer.testing import CliRunner

import webhooks.cli
from schemagen.cli import help_text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("One\ntwo.", "One two."),
        ("One.\n\nTwo\nthree.", "One.\n\nTwo three."),
        ("Either:\n- one\n- two\n  of it", "Either:\n- one\n- two\n  of it"),
    ],
)
def test_paragraph_is_one_line_and_a_list_is_not(text: str, shown: str) -> None:
    assert shown == help_text.unwrapped(text)


def test_help_fills_the_width_of_the_terminal() -> None:
    shown = CliRunner().invoke(webhooks.cli.app, ["manifests", "--help"]).stdout

    assert "configurations of the kinds that need one, and " in shown
