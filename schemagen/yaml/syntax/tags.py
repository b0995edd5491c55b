"""The tags and directives of a YAML document."""

import re

from schemagen.yaml.syntax.cursor import BLANK_RUN, NOT_TEXT
from schemagen.yaml.syntax.scalar_texts import Texts

NAME = re.compile("[0-9A-Za-z_-]*")
_DIGITS = re.compile("[0-9]*")
_TAG_TEXT = re.compile(r"(?:[0-9A-Za-z_\-;/?:@&=+$,.!~*'()\[\]]|%[0-9A-Fa-f]{2})*")
_ESCAPED_OCTETS = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
# UTF-8 sequences of valid length; all tags that matter are ASCII.
_OCTETS = re.compile(
    rb"(?:[\x00-\x7f]|[\xc0-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}"
    rb"|[\xf0-\xf7][\x80-\xbf]{3})*"
)
_MAX_VERSION_LENGTH = 2


class Tags(Texts):
    """Scanner of tags and directives."""

    def _verbatim_tag(self) -> str:
        self._position += 2
        tag = self._tag_text(has_head=False)
        if self._text[self._position] != ">":
            self._fail("did not find the expected '>'")
        self._position += 1
        return tag

    def _shorthand_tag(self) -> tuple[str, str]:
        """Scan the handle and the suffix of a tag."""
        handle = self._tag_handle()
        if len(handle) > 1 and handle.endswith("!"):
            return handle, self._tag_text(has_head=False)
        suffix = handle[1:] + self._tag_text(has_head=True)
        return ("!", suffix) if suffix else ("", "!")

    def _tag_handle(self) -> str:
        if self._text[self._position] != "!":
            self._fail("did not find expected '!'")
        handle = "!" + self._matched(NAME, self._position + 1)
        if self._text[self._position + len(handle)] == "!":
            handle += "!"
        self._position += len(handle)
        return handle

    def _tag_text(self, *, has_head: bool) -> str:
        """Scan the text of a tag, with escapes resolved."""
        text = self._matched(_TAG_TEXT, self._position)
        self._position += len(text)
        if self._text[self._position] == "%":
            self._fail("did not find URI escaped octet")
        if not text and not has_head:
            self._fail("did not find expected tag URI")
        return _ESCAPED_OCTETS.sub(self._unescaped, text)

    def _unescaped(self, match: re.Match[str]) -> str:
        octets = bytes.fromhex(match.group().replace("%", ""))
        if not _OCTETS.fullmatch(octets):
            self._fail("found an incorrect UTF-8 octet")
        return octets.decode("latin-1")

    def _version(self) -> tuple[str, str]:
        major = self._version_number()
        if self._text[self._position] != ".":
            self._fail("did not find expected digit or '.' character")
        self._position += 1
        return major, self._version_number()

    def _version_number(self) -> str:
        number = self._matched(_DIGITS, self._position)
        self._position += len(number)
        if not number:
            self._fail("did not find expected version number")
        if len(number) > _MAX_VERSION_LENGTH:
            self._fail("found extremely long version number")
        return str(int(number))

    def _tag_directive(self) -> tuple[str, str]:
        handle = self._tag_handle()
        if handle != "!" and not handle.endswith("!"):
            self._fail("did not find expected '!'")
        blanks = self._matched(BLANK_RUN, self._position)
        self._position += len(blanks)
        if not blanks:
            self._fail("did not find expected whitespace")
        prefix = self._tag_text(has_head=False)
        if self._text[self._position] not in NOT_TEXT:
            self._fail("did not find expected whitespace or line break")
        return handle, prefix
