"""Text of scalars in a YAML document: plain, quoted, and block."""

import re

from schemagen.yaml.syntax.cursor import BLANK_RUN, BLANKS, BREAKS, END, NOT_TEXT, Cursor

_REST_OF_LINE = re.compile(f"[^{BREAKS}{END}]*")
_HEADER = re.compile("([+-]?)([0-9]?)([+-]?)")


def _plain(excluded: str) -> re.Pattern[str]:
    """Return the pattern of a plain scalar within a line."""
    run = f"(?:[^{re.escape(excluded)}{NOT_TEXT}:]|:(?![{NOT_TEXT}]))+"
    return re.compile(f"{run}(?:[{BLANKS}]+(?!#){run})*")


_PLAIN = _plain("")
_PLAIN_IN_FLOW = _plain(",?[]{}")
_NO_PLAIN_START = ",[]{}#&*!|>'\"%@`"

# Quoted scalars on one line, the common case.
_QUOTED = {
    "'": re.compile(f"'((?:[^'{BREAKS}{END}]|'')*)'(?!')"),
    '"': re.compile(f'"([^"\\\\{BREAKS}{END}]*)"'),
}
_QUOTED_PART = {
    "'": re.compile(f"(?:[^'{NOT_TEXT}]|'')*"),
    '"': re.compile(f'[^"\\\\{NOT_TEXT}]*'),
}
_ESCAPES = {
    "0": "\0",
    "a": "\a",
    "b": "\b",
    "t": "\t",
    "\t": "\t",
    "n": "\n",
    "v": "\v",
    "f": "\f",
    "r": "\r",
    "e": "\x1b",
    " ": " ",
    '"': '"',
    "'": "'",
    "\\": "\\",
    "N": "\x85",
    "_": "\xa0",
    "L": "\u2028",
    "P": "\u2029",
}
_ESCAPED_CODES = {"x": 2, "u": 4, "U": 8}
_HEX = re.compile("[0-9A-Fa-f]*")
_MAX_CODE_POINT = 0x10FFFF


class Texts(Cursor):
    """Scanner of scalar text; ``_text_end`` is where a plain or block scalar ends."""

    _text_end = 0

    def _plain_text(self, indent: int, *, is_flow: bool) -> tuple[str, bool]:
        """Scan a plain scalar; return whether a line ended after its last character."""
        pattern = _PLAIN_IN_FLOW if is_flow else _PLAIN
        match = None
        if self._text[self._position] not in _NO_PLAIN_START:
            match = pattern.match(self._text, self._position)
        if match is None:
            self._fail("found character that cannot start any token")
        self._position = self._text_end = match.end()
        parts, is_broken = [match.group()], False
        while self._text[self._position] in f"{BLANKS}{BREAKS}":
            gap, is_broken = self._plain_gap(indent)
            is_shallow = self._position - self._line_start <= indent
            match = None if is_broken and is_shallow and not is_flow else self._continued(pattern)
            if match is None:
                break
            is_broken = False
            parts += [gap, match.group()]
            self._position = self._text_end = match.end()
        return "".join(parts), is_broken

    def _continued(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Scan the continuation of a plain scalar."""
        if self._is_at_document_mark() or self._text[self._position] == "#":
            return None
        return pattern.match(self._text, self._position)

    def _plain_gap(self, indent: int) -> tuple[str, bool]:
        """Skip blanks and line breaks; return their value, and whether a line ended."""
        blanks = self._matched(BLANK_RUN, self._position)
        self._position += len(blanks)
        if self._text[self._position] not in BREAKS:
            return blanks, False
        leading, breaks = self._skip_break(), ""
        while True:
            self._pass_indentation(indent)
            if self._text[self._position] not in BREAKS:
                return _folded(leading, breaks), True
            breaks += self._skip_break()

    def _pass_indentation(self, indent: int) -> None:
        run = self._matched(BLANK_RUN, self._position)
        tab = run.find("\t")
        if tab >= 0 and self._position + tab - self._line_start <= indent:
            self._fail("found a tab character that violates indentation")
        self._position += len(run)

    def _quoted_text(self) -> str:
        """Scan a scalar in single or double quotes."""
        quote = self._text[self._position]
        match = _QUOTED[quote].match(self._text, self._position)
        if match is None:
            return self._quoted_lines(quote)
        self._position = match.end()
        text = match.group(1)
        return text.replace("''", "'") if quote == "'" else text

    def _quoted_lines(self, quote: str) -> str:
        """Scan a quoted scalar of several lines, or with escapes."""
        self._position += 1
        parts: list[str] = []
        while True:
            if self._is_at_document_mark():
                self._fail("found unexpected document indicator")
            self._check_readable(4)
            if self._position >= self._end:
                self._fail("found unexpected end of stream")
            is_joined = self._quoted_words(quote, parts)
            if self._text[self._position] == quote:
                self._position += 1
                return "".join(parts)
            self._quoted_gap(parts, is_broken=is_joined)

    def _quoted_words(self, quote: str, parts: list[str]) -> bool:
        """Scan up to a blank, a line break or the end; return whether a break was escaped."""
        pattern = _QUOTED_PART[quote]
        while True:
            text = self._matched(pattern, self._position)
            self._position += len(text)
            parts.append(text.replace("''", "'") if quote == "'" else text)
            if quote == "'" or self._text[self._position] != "\\":
                return False
            if self._text[self._position + 1] in BREAKS:
                self._position += 1
                self._skip_break()
                return True
            parts.append(self._escaped())

    def _escaped(self) -> str:
        """Return the character of an escape sequence."""
        code = self._text[self._position + 1]
        length = _ESCAPED_CODES.get(code)
        if length is None:
            if code not in _ESCAPES:
                self._fail("found unknown escape character")
            self._position += 2
            return _ESCAPES[code]
        self._position += 2
        digits = self._text[self._position : self._position + length]
        if len(self._matched(_HEX, self._position)[:length]) < length:
            self._fail("did not find expected hexdecimal number")
        value = int(digits, 16)
        if 0xD800 <= value <= 0xDFFF or value > _MAX_CODE_POINT:  # noqa: PLR2004 - UTF-16's halves
            self._fail("found invalid Unicode character escape code")
        self._position += length
        return chr(value)

    def _quoted_gap(self, parts: list[str], *, is_broken: bool) -> None:
        """Append blanks, or fold line breaks."""
        blanks, leading, breaks = "", "", ""
        while True:
            run = self._matched(BLANK_RUN, self._position)
            self._position += len(run)
            if not is_broken:
                blanks = run
            if self._text[self._position] not in BREAKS:
                break
            if is_broken:
                breaks += self._skip_break()
            else:
                leading, is_broken = self._skip_break(), True
        parts.append(_folded(leading, breaks) if is_broken else blanks)

    def _block(self, parent_indent: int, *, is_literal: bool) -> str:
        """Scan a literal or folded scalar of lines deeper than its parent."""
        self._position += 1
        chomping, increment = self._block_header()
        self._text_end = self._position
        self._end_line()
        self._parent_indent = parent_indent
        indent = max(parent_indent, 0) + increment if increment else 0
        return self._block_text(indent, chomping, is_literal=is_literal)

    def _block_header(self) -> tuple[str, int]:
        """Scan the chomping and the indentation indicator of a block scalar."""
        match = _HEADER.match(self._text, self._position)
        before, digit, after = match.groups() if match else ("", "", "")
        if digit == "0":
            self._fail("found an indentation indicator equal to 0")
        if before:
            after = ""
        self._position += len(before + digit + after)
        return before or after, int(digit or 0)

    def _block_text(self, indent: int, chomping: str, *, is_literal: bool) -> str:
        parts: list[str] = []
        indent, breaks = self._block_breaks(indent)
        leading, was_blank = "", False
        while self._position - self._line_start == indent and self._position < self._end:
            is_blank = self._text[self._position] in BLANKS
            if not is_literal and leading == "\n" and not was_blank and not is_blank:
                parts.append("" if breaks else " ")
            else:
                parts.append(leading)
            parts.append(breaks)
            was_blank = is_blank
            rest = self._matched(_REST_OF_LINE, self._position)
            parts.append(rest)
            self._position += len(rest)
            self._text_end = self._position
            leading = self._skip_break()
            indent, breaks = self._block_breaks(indent)
        if chomping != "-":
            parts.append(leading)
        if chomping == "+":
            parts.append(breaks)
        return "".join(parts)

    def _block_breaks(self, indent: int) -> tuple[int, str]:
        """Skip empty lines; return the indentation, which they may determine, and their breaks."""
        breaks, deepest = [], 0
        while True:
            blank = self._position
            while (not indent or blank - self._line_start < indent) and self._text[blank] == " ":
                blank += 1
            self._position = blank
            column = blank - self._line_start
            deepest = max(deepest, column)
            if self._text[blank] == "\t" and (not indent or column < indent):
                self._fail("found a tab character where an indentation space is expected")
            if self._text[blank] not in BREAKS:
                break
            breaks.append(self._skip_break())
        return indent or max(deepest, self._parent_indent + 1, 1), "".join(breaks)


def _folded(leading: str, breaks: str) -> str:
    """Return the value of line breaks within a folded scalar."""
    if leading == "\n":
        return breaks or " "
    return leading + breaks
