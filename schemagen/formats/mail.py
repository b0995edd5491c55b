"""E-mail addresses, as parsed by net/mail.ParseAddress of Go 1.26.

More than ``user@host`` is accepted: a name before an address in angle brackets, comments, quoted
local parts, IP literals, and a group of exactly one address (RFC 5322). Non-ASCII characters are
allowed wherever letters are (RFC 6532).
"""

import re

from schemagen.formats import addresses

_BLANKS = re.compile(r"[ \t]*")
# A dot-atom, without checking dots.
_ATOM = re.compile(r'[^\x00-\x20\x7f()<>\[\]:;@\\,"]+')
_QUOTED = re.compile(
    r'"([^\x00-\x08\x0a-\x1f\x7f"\\]*+(?:\\[^\x00-\x08\x0a-\x1f\x7f][^\x00-\x08\x0a-\x1f\x7f"\\]*+)*)"'
)
_LITERAL = re.compile(r"\[([^\x00-\x20\x7f\[\]\\]*)\]")

_COMMENT_PART = re.compile(r"[^()\\]+|\\?.", re.DOTALL)

# An encoded word (RFC 2047), what its Q text may not contain, and its B text without line ends.
_ENCODED = re.compile(r"=\?([^?]+)\?([BbQq])\?([^?]*)\?=")
_NO_Q_TEXT = re.compile(r"[^\n\r\t -~]|=(?![0-9A-Fa-f]{2})")
_B_TEXT = re.compile("[A-Za-z0-9+/]*={0,2}")
_LINE_ENDS = str.maketrans("", "", "\r\n")
_CHARSETS = frozenset({"utf-8", "iso-8859-1", "us-ascii"})


def is_email(text: str) -> bool:
    """Whether the text is one address, with or without a name."""
    reader = _Reader(text)
    try:
        count = reader.address(may_be_group=True)
        reader.comments()
    except _RefusedError:
        return False
    return reader.is_at_end and count == 1


class _RefusedError(Exception):
    """The input does not match; the parser may backtrack."""


class _Reader:
    """Parser state: a text and a position. Methods consume what they are named for, or raise."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    @property
    def is_at_end(self) -> bool:
        return self._at == len(self._text)

    def address(self, *, may_be_group: bool) -> int:
        """Parse a mailbox or a group; return the number of addresses."""
        self._blanks()
        if self._has_addr_spec():
            self._name_in_comment()
            return 1
        if not self._is_next("<"):
            self._phrase()
        self._blanks()
        if may_be_group and self._take(":"):
            return self._group()
        self._need("<")
        self._addr_spec()
        self._need(">")
        return 1

    def comments(self) -> None:
        """Skip white space and comments."""
        self._blanks()
        while self._take("("):
            self._comment()
            self._blanks()

    def _group(self) -> int:
        self._blanks()
        count = 0
        if not self._take(";"):
            count = self._group_list()
        self.comments()
        return count

    def _group_list(self) -> int:
        count = 0
        while True:
            count += self.address(may_be_group=False)
            self.comments()
            if self._take(";"):
                return count
            self._need(",")

    def _has_addr_spec(self) -> bool:
        start = self._at
        try:
            self._addr_spec()
        except _RefusedError:
            self._at = start
            return False
        return True

    def _addr_spec(self) -> None:
        self._blanks()
        if self._is_next('"'):
            if not self._match(_QUOTED)[1]:
                raise _RefusedError
        else:
            self._dot_atom()
        self._need("@")
        self._blanks()
        if not self._is_next("["):
            self._dot_atom()
        elif not addresses.is_ip(self._match(_LITERAL)[1]):
            raise _RefusedError

    def _dot_atom(self) -> None:
        atom = self._match(_ATOM)[0]
        if atom.startswith(".") or atom.endswith(".") or ".." in atom:
            raise _RefusedError

    def _phrase(self) -> None:
        """Parse one or more words, up to the first that does not match.

        Go keeps encoded words pending until a plain one follows: until then they do not count, so
        that no comment may come between them, and empty ones never count.
        """
        words, has_encoded = 0, False
        while True:
            if words:
                self.comments()
            self._blanks()
            if self.is_at_end:
                return
            try:
                content = self._word()
            except _RefusedError:
                if not words and not has_encoded:
                    raise
                return
            if content is None:
                words, has_encoded = words + 1, False
            else:
                has_encoded = has_encoded or content != ""

    def _word(self) -> str | None:
        """Parse an atom or a quoted string; return the decoded text of an encoded word."""
        if self._is_next('"'):
            self._match(_QUOTED)
            return None
        return _encoded(self._match(_ATOM)[0])

    def _name_in_comment(self) -> None:
        self._blanks()
        if self._take("("):
            for word in re.split("[ \t]+", self._comment()):
                _encoded(word)

    def _comment(self) -> str:
        """Parse the rest of a possibly nested comment; return its text."""
        depth = 1
        text: list[str] = []
        while depth:
            part = self._match(_COMMENT_PART)[0]
            depth += {"(": 1, ")": -1}.get(part, 0)
            text.append(part.removeprefix("\\"))
        return "".join(text[:-1])

    def _blanks(self) -> None:
        self._match(_BLANKS)

    def _is_next(self, character: str) -> bool:
        return self._text.startswith(character, self._at)

    def _take(self, character: str) -> bool:
        is_next = self._is_next(character)
        self._at += is_next
        return is_next

    def _need(self, character: str) -> None:
        if not self._take(character):
            raise _RefusedError

    def _match(self, pattern: re.Pattern[str]) -> re.Match[str]:
        match = pattern.match(self._text, self._at)
        if match is None:
            raise _RefusedError
        self._at = match.end()
        return match


def _encoded(word: str) -> str | None:
    """Return the undecoded text of an encoded word; None for a plain word.

    An otherwise decodable word is refused for a character set unknown to Go.
    """
    match = _ENCODED.fullmatch(word)
    if match is None:
        return None
    charset, encoding, text = match.groups()
    if encoding in "Bb":
        text = text.translate(_LINE_ENDS)
        can_be_decoded = len(text) % 4 == 0 and _B_TEXT.fullmatch(text) is not None
    else:
        can_be_decoded = _NO_Q_TEXT.search(text) is None
    if not can_be_decoded:
        return None
    # Go folds non-ASCII case too: U+017F is an s.
    if charset.casefold() not in _CHARSETS:
        raise _RefusedError
    return str(text)
