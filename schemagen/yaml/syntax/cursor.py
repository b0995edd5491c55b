"""Cursor in the text of a YAML document."""

import re
from typing import NoReturn

from schemagen.yaml.errors import YAMLError
from schemagen.yaml.syntax import characters

BREAKS = "\r\n\x85\u2028\u2029"
BREAK = f"(?:\r\n|[{BREAKS}])"
END = "\0"  # no document may contain it
BLANKS = " \t"
NOT_TEXT = f"{BLANKS}{BREAKS}{END}"
COMMENT = f"(?:#[^{BREAKS}{END}]*)?"

BLANK_RUN = re.compile(f"[{BLANKS}]*")
_LINE_BREAK = re.compile(BREAK)
_LINE_END = re.compile(f"[{BLANKS}]*{COMMENT}")
_DOCUMENT_MARK = re.compile(rf"(?:---|\.\.\.)(?=[{NOT_TEXT}])")


class Cursor:
    """Position in a text; a line's first character has column 0."""

    def __init__(self, content: characters.Characters) -> None:
        self._end = len(content.text)
        self._text = content.text + END * 4
        self._problem, self._problem_line = content.problem, content.line
        self._position = self._line = self._line_start = 0

    def _matched(self, pattern: re.Pattern[str], position: int) -> str:
        """Return the match of a pattern that always matches."""
        match = pattern.match(self._text, position)
        return match.group() if match else ""

    def _skip_break(self) -> str:
        """Skip a line break, if any; return its value."""
        match = _LINE_BREAK.match(self._text, self._position)
        if match is None:
            return ""
        self._position = self._line_start = match.end()
        self._line += 1
        return match.group() if match.group() in "\u2028\u2029" else "\n"

    def _end_line(self) -> None:
        """Skip blanks, a comment and the line break at the end of the line."""
        end = self._position + len(self._matched(_LINE_END, self._position))
        self._position = end
        if self._text[end] not in f"{BREAKS}{END}":
            self._fail("did not find expected comment or line break")
        self._skip_break()

    def _move(self, end: int) -> bool:
        """Move to a position; return whether line breaks were skipped."""
        start, self._position = self._position, end
        is_broken = False
        for match in _LINE_BREAK.finditer(self._text, start, end):
            self._line += 1
            self._line_start = match.end()
            is_broken = True
        return is_broken

    def _is_at_document_mark(self) -> bool:
        return (
            self._position == self._line_start
            and _DOCUMENT_MARK.match(self._text, self._position) is not None
        )

    def _check_readable(self, length: int) -> None:
        """Fail if undecodable text is needed."""
        if self._problem is not None and self._position + length > self._end:
            self._fail(self._problem, self._problem_line)

    def _fail(self, problem: str, line: int | None = None) -> NoReturn:
        raise YAMLError(problem, (self._line if line is None else line) + 1)
