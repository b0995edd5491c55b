"""Bytes of a file as text, and back: encoding, byte order mark and line ends stay. Pure."""

import codecs
import collections
import dataclasses
import difflib

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


@dataclasses.dataclass(frozen=True)
class Layout:
    """A file's text, with how its bytes have it.

    Attributes:
        text: The text, whose lines end with a line feed alone.
        mark: The byte order mark.
        encoding: The encoding.
        ends: The end of each line.
    """

    text: str
    mark: bytes
    encoding: str
    ends: tuple[str, ...]

    def encoded(self, text: str) -> bytes:
        """Return a changed text as bytes; lines that are kept end as before."""
        return self.mark + self._with_ends(text).encode(self.encoding)

    def _with_ends(self, text: str) -> str:
        if "\r\n" not in self.ends:
            return text
        ((usual, _),) = collections.Counter(self.ends).most_common(1)  # of several, the first
        if len(set(self.ends)) == 1:
            return text.replace("\n", usual)
        before, after = self.text.split("\n"), text.split("\n")
        ends = [usual] * (len(after) - 1)
        matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
        for start, target, size in matcher.get_matching_blocks():
            for offset in range(size):
                if start + offset < len(self.ends) and target + offset < len(ends):
                    ends[target + offset] = self.ends[start + offset]
        return "".join(line + end for line, end in zip(after, [*ends, ""], strict=True))


def of(content: bytes) -> Layout | None:
    """Return the layout of a file; None if it is not in one encoding."""
    mark, encoding = next(
        (found for found in _MARKS if content.startswith(found[0])), (b"", "utf-8")
    )
    try:
        text = content[len(mark) :].decode(encoding)
    except UnicodeDecodeError:
        return None
    ends = tuple("\r\n" if line.endswith("\r") else "\n" for line in text.split("\n")[:-1])
    return Layout(text.replace("\r\n", "\n"), mark, encoding, ends)
