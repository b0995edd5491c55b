"""Documents of a manifest, split as kubectl does, each with the lines of its fields.

A text that starts with a brace is consecutive JSON values, unless that fails: then it is YAML,
whose documents are separated by lines that start with three dashes. An error ends parsing; earlier
documents count. Follows YAMLOrJSONDecoder and YAMLReader of k8s.io/apimachinery/pkg/util/yaml.
"""

import codecs
import functools
import re
from collections.abc import Iterator

from schemagen.problems import JSON
from schemagen.yaml import json_text, values
from schemagen.yaml.errors import YAMLError
from schemagen.yaml.syntax import characters, nodes, parser

_UTF16_MARKS = ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))

# Prefix examined to distinguish JSON from YAML.
_SNIFFED = 4096
# Go's unicode.IsSpace.
_SPACES = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
_BRACE = re.compile(f"[{_SPACES}]*{{")
# Minimum length after JSON to be read as YAML.
_LOOKED_AT = 4

_SEPARATOR = re.compile(rb"^---([^\n]*)(?:\n|\Z)", re.MULTILINE)
_PARTS = re.compile(r"\[([^\]]*)\]|([^.\[\]]+)")


class Document:
    """A document of a manifest.

    Attributes:
        value: Its content.
        position: Where its text starts in the UTF-8 of the manifest, without a byte order mark.
    """

    def __init__(
        self,
        value: JSON,
        content: bytes,
        first_line: int,
        root: nodes.Node | None = None,
        position: int = 0,
    ) -> None:
        self.value, self.position = value, position
        self._content, self._first_line = content, first_line
        if root is not None:
            self._root = root

    @property
    def line(self) -> int:
        """Return the line at which it starts, from 1."""
        return self._first_line + (self._root.line if self._root else 0)

    @property
    def text(self) -> str:
        """Return its text, in which ``root`` has its places: lines end with a line feed."""
        return characters.decode(self._content).text

    @property
    def root(self) -> nodes.Node | None:
        """Return its nodes; None for JSON that is not YAML."""
        return self._root

    @functools.cached_property
    def _root(self) -> nodes.Node | None:
        try:
            return parser.parse(characters.decode(self._content))
        except YAMLError:  # JSON that is not YAML
            return None

    def line_of(self, field: str) -> int:
        """Return the line of a field in API server notation, or of its nearest ancestor.

        ``spec.steps[2].parameters.url``; where a part is missing, the line of its parent.
        """
        names = [index or name for index, name in _PARTS.findall(field)]
        return self._first_line + values.line_of(self._root, names)

    def repeated(self, field: str = "") -> list[tuple[str, int]]:
        """Return duplicate keys within a field, with the lines of the last, which count."""
        names = [index or name for index, name in _PARTS.findall(field)]
        keys = values.repeated(self._root, names)
        return [(key, self._first_line + line) for key, line in keys]


def read(content: bytes) -> Iterator[Document]:
    """Yield the nonempty documents of a manifest, up to the first broken one.

    Raises:
        YAMLError: at the broken one.
    """
    content = _as_utf8(content)
    if not _BRACE.match(content[:_SNIFFED].decode(errors="replace")):
        yield from _yaml_documents(content, 1, None)
        return
    stream = json_text.Stream(content)
    try:
        for value, start, end in stream.values():
            if value is not None:
                line = _line_at(content, start)
                yield Document(value, content[start:end], line, position=start)
    except YAMLError as error:
        rest = _start_of_yaml(content, stream.end) if stream.may_be_yaml else None
        if rest is None:
            raise
        yield from _yaml_documents(content[rest:], _line_at(content, rest), error, rest)


def _as_utf8(content: bytes) -> bytes:
    """Decode a file as kubectl does: UTF-16 by its mark, U+FFFD for invalid UTF-8."""
    for mark, encoding in _UTF16_MARKS:
        if content.startswith(mark):
            return content[len(mark) :].decode(encoding, errors="replace").encode()
    if content.startswith(codecs.BOM_UTF8):
        return content[len(codecs.BOM_UTF8) :]
    return content.decode(errors="replace").encode()


def load_all(content: bytes) -> list[JSON]:
    """Return the content of a manifest's nonempty documents.

    Raises:
        YAMLError: if one is broken.
    """
    return [document.value for document in read(content)]


def load(content: bytes) -> JSON:
    """Return the only document of a YAML text, as kubectl reads its configuration; None if empty.

    Raises:
        YAMLError: if it is broken.
    """
    return values.of(parser.parse(characters.decode(content)))


def _yaml_documents(
    content: bytes, first_line: int, problem: YAMLError | None, before: int = 0
) -> Iterator[Document]:
    """Yield the documents of YAML after some bytes; ``problem`` is why the first is not JSON."""
    for chunk, position in _chunks(content, first_line, problem):
        line = first_line - 1 + _line_at(content, position)
        try:
            root = parser.parse(characters.decode(chunk))
            value = values.of(root)
        except YAMLError as error:
            raise problem or YAMLError(error.problem, line - 1 + error.line) from error
        problem = None
        if value is not None:
            yield Document(value, chunk, line, root, before + position)


def _chunks(
    content: bytes, first_line: int, problem: YAMLError | None
) -> Iterator[tuple[bytes, int]]:
    """Yield the text between separators, and its position."""
    begin = 0
    for match in _SEPARATOR.finditer(content):
        after = match.group(1).decode(errors="replace").strip(_SPACES)
        if after and not after.startswith("#"):
            line = first_line - 1 + _line_at(content, match.start())
            raise problem or YAMLError(f"invalid Yaml document separator: {after}", line)
        if match.start() > begin:
            yield _lines(content[begin : match.start()]), begin
            begin, problem = match.end(), None
    if begin < len(content):
        yield _lines(content[begin:]), begin


def _lines(chunk: bytes) -> bytes:
    """Yield lines, each ending with a line feed."""
    lines = chunk.replace(b"\r\n", b"\n")
    return lines if lines.endswith(b"\n") else lines + b"\n"


def _line_at(content: bytes, position: int) -> int:
    return content.count(b"\n", 0, position) + 1


def _start_of_yaml(content: bytes, position: int) -> int | None:
    """Return the start of YAML after or instead of JSON; None if too little is left."""
    for character in content[position:].decode(errors="replace"):
        # Go treats U+FFFD as an invalid character, even if written literally.
        if len(content) - position < _LOOKED_AT or character == "\ufffd":
            return None
        if character not in _SPACES:
            return position
        position += len(character.encode())
        if character == "\n":
            return position
    return None
