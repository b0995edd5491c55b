"""Help texts as wide as the terminal. Pure; imported at start: imports nothing else of ours."""

import re
from typing import Any, Final

from typer.core import TyperGroup

_LINE_BREAK: Final = re.compile(r"(?<=\S)\n(?=[^\s*-])")
"""A line break within a paragraph; lists and indented text keep theirs."""


class Group(TyperGroup):
    """Commands whose help is as wide as the terminal: typer keeps the line breaks of docstrings."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command by its name."""
        command = super().get_command(ctx, cmd_name)
        if command is not None and command.help:
            command.help = unwrapped(command.help)
        return command


def unwrapped(text: str) -> str:
    """Return a text whose paragraphs are one line each."""
    return _LINE_BREAK.sub(" ", text)
