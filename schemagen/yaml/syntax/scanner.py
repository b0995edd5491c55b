"""Tokenize a YAML document as go.yaml.in/yaml/v2 does, with line numbers.

Follows libyaml's scanner exactly where the specification is ambiguous: a simple key is recognized
when its colon appears; a line break ends single-line constructs.
"""

import re
from collections import deque
from collections.abc import Callable, Mapping
from typing import ClassVar, NamedTuple, TypeAlias

from schemagen.yaml.syntax import characters
from schemagen.yaml.syntax.cursor import BLANK_RUN, BLANKS, BREAK, COMMENT, END, NOT_TEXT
from schemagen.yaml.syntax.tags import NAME, Tags

_LINES = f"(?: *{COMMENT}{BREAK})* *{COMMENT}"

# Text between two tokens: where a simple key may start, elsewhere in a line, in brackets.
_GAP_BEFORE_KEY = re.compile(_LINES)
_GAP = re.compile(f"[{BLANKS}]*{COMMENT}(?:{BREAK}{_LINES})?")
_GAP_IN_FLOW = re.compile(f"(?:[{BLANKS}]*{COMMENT}{BREAK})*[{BLANKS}]*{COMMENT}")

# Limits of the original parser: nesting of brackets, indentations, and length of a simple key.
_MAX_DEPTH = 10_000
_MAX_KEY_LENGTH = 1024


class Token(NamedTuple):
    """A token.

    Attributes:
        kind: Its name in YAML's grammar, or its character.
        line: Where it starts, from 0.
        value: A scalar's text, an anchor's or alias' name, a tag's or directive's handle.
        detail: A tag's suffix or a directive's prefix; whether a scalar is ``plain``.
        start: Where it starts in the text; like its end, 0 for a token without text of its own.
        end: Where it ends.
    """

    kind: str
    line: int
    value: str = ""
    detail: str = ""
    start: int = 0
    end: int = 0


class _Key(NamedTuple):
    """A possible start of a simple key."""

    is_required: bool
    number: int
    position: int
    line: int
    column: int


_Fetcher: TypeAlias = Callable[["Scanner"], bool]


class Scanner(Tags):
    """Scanner of tokens, one after the other.

    Attributes:
        end: Where the last consumed token with text of its own ends.
    """

    def __init__(self, content: characters.Characters) -> None:
        super().__init__(content)
        self._tokens: deque[Token] = deque()
        self._taken = 0
        self._is_ready = False
        self.end = 0
        self._indent = -1
        self._indents: list[int] = []
        self._is_key_allowed = True
        # For each level of brackets the possible simple key, and the number of its token, which
        # outlives it; and the level of the key that starts with a token.
        self._keys: list[_Key | None] = [None]
        self._numbers = [0]
        self._levels: dict[int, int] = {}

    def peek(self) -> Token:
        """Return the next token.

        Raises:
            YAMLError: if there is none.
        """
        if not self._is_ready:
            while not self._tokens or self._may_start_key():
                self._fetch()
            self._is_ready = True
        return self._tokens[0]

    def take(self) -> Token:
        """Return and consume the next token."""
        token = self.peek()
        self._is_ready = False
        self._taken += 1
        self._tokens.popleft()
        if token.end:
            self.end = token.end
        return token

    # -- Simple keys

    def _may_start_key(self) -> bool:
        """Return whether the first token may turn out to start a simple key."""
        level = self._levels.get(self._taken)
        if level is None or level >= len(self._keys):
            return False
        return self._valid_key(level) is not None

    def _valid_key(self, level: int) -> _Key | None:
        """Return the simple key of a level, if its colon may still follow."""
        key = self._keys[level]
        if key is None:
            return None
        if key.line == self._line and key.position + _MAX_KEY_LENGTH >= self._position:
            return key
        self._require_none(key)
        self._keys[level] = None
        return None

    def _require_none(self, key: _Key) -> None:
        if key.is_required:
            self._fail("could not find expected ':'", key.line)

    def _save_key(self) -> None:
        """Record that a simple key may start here."""
        if not self._is_key_allowed:
            return
        self._remove_key()
        column = self._position - self._line_start
        is_required = len(self._keys) == 1 and self._indent == column
        number = self._taken + len(self._tokens)
        self._keys[-1] = _Key(is_required, number, self._position, self._line, column)
        self._numbers[-1] = number
        self._levels[number] = len(self._keys) - 1

    def _remove_key(self) -> None:
        """Drop the simple key of this level."""
        key = self._keys[-1]
        if key is not None:
            self._require_none(key)
            self._keys[-1] = None
            self._levels.pop(key.number, None)

    # -- Indentation

    def _roll_indent(self, column: int, kind: str, line: int, number: int | None = None) -> None:
        """Start a block collection if a column is deeper than the current one."""
        if len(self._keys) > 1 or self._indent >= column:
            return
        self._indents.append(self._indent)
        self._indent = column
        if len(self._indents) > _MAX_DEPTH:
            self._fail(f"exceeded max depth of {_MAX_DEPTH}")
        self._insert(Token(kind, line), number)

    def _unroll_indent(self, column: int) -> None:
        """End the block collections deeper than a column."""
        if len(self._keys) > 1:
            return
        while self._indent > column:
            self._tokens.append(Token("block end", self._line))
            self._indent = self._indents.pop()

    def _insert(self, token: Token, number: int | None = None) -> None:
        """Insert a token before that of a number, or append it if that is gone."""
        index = -1 if number is None else number - self._taken
        if index < 0:
            self._tokens.append(token)
        else:
            self._tokens.insert(index, token)

    # -- The next token

    def _fetch(self) -> None:
        """Scan at least one more token."""
        self._skip_gap()
        column = self._position - self._line_start
        if self._indent > column:
            self._unroll_indent(column)
        self._check_readable(4)
        character = self._text[self._position]
        if column == 0 and self._fetch_at_line_start(character):
            return
        if character == "-" and self._text[self._position + 1] in NOT_TEXT:
            self._fetch_block_entry()
            return
        fetch = self._FETCHERS.get(character)
        if fetch is None or not fetch(self):
            self._fetch_plain()
        if self._problem is not None:
            self._check_readable(2)

    def _skip_gap(self) -> None:
        """Skip blanks, comments and line breaks."""
        if len(self._keys) > 1:
            pattern = _GAP_IN_FLOW
        else:
            pattern = _GAP_BEFORE_KEY if self._is_key_allowed else _GAP
        start = self._position
        match = pattern.match(self._text, start)
        end = match.end() if match else start
        if end == start:
            return
        if self._move(end) and len(self._keys) == 1:
            self._is_key_allowed = True

    def _fetch_at_line_start(self, character: str) -> bool:
        """Scan a token that is only valid at the start of a line."""
        if character == "%":
            self._reset()
            self._fetch_directive()
            return True
        if self._is_at_document_mark():
            self._reset()
            self._tokens.append(Token(character * 3, self._line))
            self._position += 3
            return True
        return False

    def _reset(self) -> None:
        """End all block collections, and the simple key."""
        self._unroll_indent(-1)
        self._remove_key()
        self._is_key_allowed = False

    def _fetch_end(self) -> bool:
        """Scan the end of the text."""
        if self._position < self._end:
            return False
        if self._position != self._line_start:
            self._line_start = self._position
            self._line += 1
        self._reset()
        self._tokens.append(Token("end", self._line))
        return True

    def _append(self, kind: str) -> None:
        """Scan a token of one character."""
        start = self._position
        self._position = start + 1
        self._tokens.append(Token(kind, self._line, "", "", start, start + 1))

    def _fetch_flow_start(self) -> bool:
        self._save_key()
        self._keys.append(None)
        self._numbers.append(self._taken + len(self._tokens))
        if len(self._keys) > _MAX_DEPTH + 1:
            self._fail(f"exceeded max depth of {_MAX_DEPTH}")
        self._is_key_allowed = True
        self._append(self._text[self._position])
        return True

    def _fetch_flow_end(self) -> bool:
        self._remove_key()
        if len(self._keys) > 1:
            self._keys.pop()
            # The number may be that of the bracket, whose key is then ignored: so `[]: x` is no
            # mapping.
            self._levels.pop(self._numbers.pop(), None)
        self._is_key_allowed = False
        self._append(self._text[self._position])
        return True

    def _fetch_flow_entry(self) -> bool:
        self._remove_key()
        self._is_key_allowed = True
        self._append(",")
        return True

    def _fetch_block_entry(self) -> None:
        if len(self._keys) == 1:
            if not self._is_key_allowed:
                self._fail("block sequence entries are not allowed in this context")
            self._roll_indent(self._position - self._line_start, "block sequence", self._line)
        self._remove_key()
        self._is_key_allowed = True
        self._append("-")

    def _is_indicator(self) -> bool:
        """Return whether a question mark or colon is an indicator."""
        return len(self._keys) > 1 or self._text[self._position + 1] in NOT_TEXT

    def _fetch_key(self) -> bool:
        if not self._is_indicator():
            return False
        is_block = len(self._keys) == 1
        if is_block:
            if not self._is_key_allowed:
                self._fail("mapping keys are not allowed in this context")
            self._roll_indent(self._position - self._line_start, "block mapping", self._line)
        self._remove_key()
        self._is_key_allowed = is_block
        self._append("?")
        return True

    def _fetch_value(self) -> bool:
        if not self._is_indicator():
            return False
        key = self._valid_key(len(self._keys) - 1)
        if key is None:
            self._fetch_complex_value()
        else:
            self._insert(Token("?", key.line), key.number)
            self._roll_indent(key.column, "block mapping", key.line, key.number)
            self._keys[-1] = None
            self._levels.pop(key.number, None)
            self._is_key_allowed = False
        self._append(":")
        return True

    def _fetch_complex_value(self) -> None:
        """Scan a value whose key is not simple."""
        is_block = len(self._keys) == 1
        if is_block:
            if not self._is_key_allowed:
                self._fail("mapping values are not allowed in this context")
            self._roll_indent(self._position - self._line_start, "block mapping", self._line)
        self._is_key_allowed = is_block

    # -- Anchors, aliases, tags, directives

    def _fetch_anchor(self) -> bool:
        self._save_key()
        self._is_key_allowed = False
        start, line = self._position, self._line
        name = self._matched(NAME, start + 1)
        self._position = start + 1 + len(name)
        if not name or self._text[self._position] not in f"{NOT_TEXT}?:,]}}%@`":
            self._fail("did not find expected alphabetic or numeric character")
        kind = "anchor" if self._text[start] == "&" else "alias"
        self._tokens.append(Token(kind, line, name, "", start, self._position))
        return True

    def _fetch_tag(self) -> bool:
        self._save_key()
        self._is_key_allowed = False
        start = self._position
        if self._text[start + 1] == "<":
            handle, suffix = "", self._verbatim_tag()
        else:
            handle, suffix = self._shorthand_tag()
        if self._text[self._position] not in NOT_TEXT:
            self._fail("did not find expected whitespace or line break")
        self._tokens.append(Token("tag", self._line, handle, suffix, start, self._position))
        return True

    def _fetch_directive(self) -> None:
        name = self._matched(NAME, self._position + 1)
        self._position += 1 + len(name)
        if not name:
            self._fail("could not find expected directive name")
        if self._text[self._position] not in NOT_TEXT:
            self._fail("found unexpected non-alphabetical character")
        if name not in {"YAML", "TAG"}:
            self._fail("found unknown directive name")
        line = self._line
        self._position += len(self._matched(BLANK_RUN, self._position))
        handle, prefix = self._version() if name == "YAML" else self._tag_directive()
        self._tokens.append(Token(f"%{name}", line, handle, prefix))
        self._end_line()

    # -- Scalars

    def _fetch_literal(self) -> bool:
        return self._fetch_block(is_literal=True)

    def _fetch_folded(self) -> bool:
        return self._fetch_block(is_literal=False)

    def _fetch_block(self, *, is_literal: bool) -> bool:
        if len(self._keys) > 1:
            return False
        self._remove_key()
        self._is_key_allowed = True
        line, start = self._line, self._position
        text = self._block(self._indent, is_literal=is_literal)
        self._tokens.append(Token("scalar", line, text, "", start, self._text_end))
        return True

    def _fetch_quoted(self) -> bool:
        self._save_key()
        self._is_key_allowed = False
        line, start = self._line, self._position
        text = self._quoted_text()
        self._tokens.append(Token("scalar", line, text, "", start, self._position))
        return True

    def _fetch_plain(self) -> None:
        self._save_key()
        line, start = self._line, self._position
        text, self._is_key_allowed = self._plain_text(self._indent, is_flow=len(self._keys) > 1)
        self._tokens.append(Token("scalar", line, text, "plain", start, self._text_end))

    _FETCHERS: ClassVar[Mapping[str, _Fetcher]] = {
        END: _fetch_end,
        "[": _fetch_flow_start,
        "{": _fetch_flow_start,
        "]": _fetch_flow_end,
        "}": _fetch_flow_end,
        ",": _fetch_flow_entry,
        "?": _fetch_key,
        ":": _fetch_value,
        "*": _fetch_anchor,
        "&": _fetch_anchor,
        "!": _fetch_tag,
        "|": _fetch_literal,
        ">": _fetch_folded,
        "'": _fetch_quoted,
        '"': _fetch_quoted,
    }
