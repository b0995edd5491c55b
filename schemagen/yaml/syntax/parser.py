"""Parse the tokens of a YAML document to nodes: the grammar of go.yaml.in/yaml/v2 (libyaml's).

Uses a stack of states instead of recursion, for any depth of nesting.
"""

from collections.abc import Callable
from typing import Literal, NoReturn

from schemagen.yaml.errors import YAMLError
from schemagen.yaml.syntax import characters, nodes
from schemagen.yaml.syntax.scanner import Scanner, Token

_TAG_HANDLES = {"!": "!", "!!": "tag:yaml.org,2002:"}
_VERSION = ("1", "1")

_DIRECTIVES = {"%YAML", "%TAG"}
_NO_CONTENT = {*_DIRECTIVES, "---", "...", "end"}
_NO_BLOCK_VALUE = {"?", ":", "block end"}
_UNKNOWN = -1


def parse(content: characters.Characters) -> nodes.Node | None:
    """Parse the first document; None if there is none.

    Raises:
        YAMLError: if it is broken.
    """
    return _Parser(Scanner(content)).document()


class _Parser:
    """Parser of one document; ``_states`` is the stack of pending states."""

    def __init__(self, scanner: Scanner) -> None:
        self._scanner, self._peek, self._take = scanner, scanner.peek, scanner.take
        self._states: list[Callable[[], None]] = []
        self._open: list[nodes.Collection] = []
        self._root: nodes.Node | None = None
        self._anchors: dict[str, nodes.Scalar | nodes.Collection] = {}
        self._handles: dict[str, str] = {}

    def document(self) -> nodes.Node | None:
        """Return its root."""
        token = self._peek()
        if token.kind == "end":
            return None
        is_explicit = token.kind in _DIRECTIVES or token.kind == "---"
        self._directives()
        if is_explicit:
            self._document_start()
        else:
            self._node(is_block=True)
        while self._states:
            self._states.pop()()
        self._peek()  # a token must follow
        return self._root

    def _document_start(self) -> None:
        if self._peek().kind != "---":
            self._fail("did not find expected <document start>")
        self._take()
        if self._peek().kind in _NO_CONTENT:
            self._add_empty()
        else:
            self._node(is_block=True)

    def _directives(self) -> None:
        seen_version = False
        while self._peek().kind in _DIRECTIVES:
            token = self._peek()
            if token.kind == "%TAG":
                self._add_handle(token)
            elif seen_version:
                self._fail("found duplicate %YAML directive")
            elif (token.value, token.detail) != _VERSION:
                self._fail("found incompatible YAML document")
            else:
                seen_version = True
            self._take()
        self._handles = {**_TAG_HANDLES, **self._handles}

    def _add_handle(self, token: Token) -> None:
        if token.value in self._handles:
            self._fail("found duplicate %TAG directive")
        self._handles[token.value] = token.detail

    # -- Nodes

    def _node(self, *, is_block: bool, may_lack_indent: bool = False) -> None:
        """Parse a node, or the start of a collection."""
        token = first = self._peek()
        line = token.line
        if token.kind == "alias":
            self._add_alias(self._take())
            return
        anchor, tag = self._properties()
        token = self._peek()
        if may_lack_indent and token.kind == "-":
            self._start("list", first, anchor, self._unindented_entry)
        elif token.kind == "scalar":
            self._take()
            is_plain = tag == "!" or (not tag and token.detail == "plain")
            span = nodes.Span(first.start, token.start, token.end)
            self._add(nodes.Scalar(line, token.value, tag, is_plain, span), anchor)
        elif not self._start_collection(token.kind, first, anchor, is_block=is_block):
            if not anchor and not tag:
                self._fail("did not find expected node content")
            end = self._scanner.end
            span = nodes.Span(first.start, end, end)
            self._add(nodes.Scalar(line, "", tag, not tag, span), anchor)

    def _properties(self) -> tuple[str, str]:
        """Parse the anchor and the tag before a node, in either order."""
        tokens: dict[str, Token] = {}
        while (kind := self._peek().kind) in {"anchor", "tag"} and kind not in tokens:
            tokens[kind] = self._take()
        anchor = tokens["anchor"].value if "anchor" in tokens else ""
        return anchor, self._resolved(tokens["tag"]) if "tag" in tokens else ""

    def _resolved(self, token: Token) -> str:
        if not token.value:
            return token.detail
        prefix = self._handles.get(token.value, "")
        if not prefix + token.detail or token.value not in self._handles:
            raise YAMLError("found undefined tag handle", token.line + 1)
        return prefix + token.detail

    def _start_collection(self, kind: str, first: Token, anchor: str, *, is_block: bool) -> bool:
        """Parse the start of a collection, if there is one."""
        match kind:
            case "[":
                self._take()
                self._start("list", first, anchor, self._first_flow_entry, is_flow=True)
            case "{":
                self._take()
                self._start("object", first, anchor, self._first_flow_key, is_flow=True)
            case "block sequence" if is_block:
                self._take()
                self._start("list", first, anchor, self._block_entry)
            case "block mapping" if is_block:
                self._take()
                self._start("object", first, anchor, self._block_key)
            case _:
                return False
        return True

    def _start(
        self,
        kind: Literal["list", "object"],
        first: Token,
        anchor: str,
        then: Callable[[], None],
        *,
        is_flow: bool = False,
    ) -> None:
        start = self._scanner.end - 1 if is_flow else _UNKNOWN
        span = nodes.Span(first.start if first.end else _UNKNOWN, start, start)
        node = nodes.Collection(first.line, kind, [], span, is_flow=is_flow)
        self._add(node, anchor)
        self._open.append(node)
        self._states.append(then)

    def _add(self, node: nodes.Scalar | nodes.Collection, anchor: str) -> None:
        if anchor:
            self._anchors[anchor] = node
        self._attach(node)

    def _add_alias(self, token: Token) -> None:
        node = self._anchors.get(token.value)
        if node is None:
            raise YAMLError(f"unknown anchor '{token.value}' referenced", token.line + 1)
        span = nodes.Span(token.start, token.start, token.end)
        self._attach(nodes.Alias(token.line, token.value, node, span))

    def _add_empty(self) -> None:
        end = self._scanner.end
        span = nodes.Span(end, end, end)
        self._attach(nodes.Scalar(self._peek().line, "", "", is_plain=True, span=span))

    def _attach(self, node: nodes.Node) -> None:
        if self._open:
            self._open[-1].children.append(node)
        else:
            self._root = node

    def _end(self) -> None:
        """End the innermost collection."""
        node = self._open.pop()
        first, start, _ = node.span
        if start == _UNKNOWN:  # a block collection starts with its first mark or child
            inner = [*node.marks[:1], *(child.span.first for child in node.children[:1])]
            start = min(inner, default=self._scanner.end)
        first = start if first == _UNKNOWN else first
        node.span = nodes.Span(first, start, self._scanner.end)

    def _mark(self, token: Token) -> None:
        """Record the place of an indicator, unless it is implied."""
        if token.end:
            self._open[-1].marks.append(token.start)

    def _fail(self, problem: str) -> NoReturn:
        raise YAMLError(problem, self._peek().line + 1)

    # -- Block collections

    def _block_entry(self) -> None:
        token = self._peek()
        if token.kind == "block end":
            self._take()
            self._end()
            return
        if token.kind != "-":
            self._fail("did not find expected '-' indicator")
        self._mark(self._take())
        self._states.append(self._block_entry)
        if self._peek().kind in {"-", "block end"}:
            self._add_empty()
        else:
            self._node(is_block=True)

    def _unindented_entry(self) -> None:
        if self._peek().kind != "-":
            self._end()
            return
        self._mark(self._take())
        self._states.append(self._unindented_entry)
        if self._peek().kind in {"-", *_NO_BLOCK_VALUE}:
            self._add_empty()
        else:
            self._node(is_block=True)

    def _block_key(self) -> None:
        token = self._peek()
        if token.kind == "block end":
            self._take()
            self._end()
            return
        if token.kind != "?":
            self._fail("did not find expected key")
        self._mark(self._take())
        self._states.append(self._block_value)
        self._block_content()

    def _block_value(self) -> None:
        self._states.append(self._block_key)
        if self._peek().kind == ":":
            self._take()
            self._block_content()
        else:
            self._add_empty()

    def _block_content(self) -> None:
        if self._peek().kind in _NO_BLOCK_VALUE:
            self._add_empty()
        else:
            self._node(is_block=True, may_lack_indent=True)

    # -- Flow collections

    def _first_flow_entry(self) -> None:
        self._flow_entry(is_first=True)

    def _next_flow_entry(self) -> None:
        self._flow_entry(is_first=False)

    def _flow_entry(self, *, is_first: bool) -> None:
        if not is_first and self._peek().kind != "]":
            self._separator("did not find expected ',' or ']'")
        token = self._peek()
        if token.kind == "]":
            self._take()
            self._end()
            return
        self._states.append(self._next_flow_entry)
        if token.kind == "?":
            self._take()
            self._start("object", token, "", self._pair_key)
        else:
            self._node(is_block=False)

    def _separator(self, problem: str) -> None:
        if self._peek().kind != ",":
            self._fail(problem)
        self._take()

    def _pair_key(self) -> None:
        """Parse the key of an object that is an item of a list without brackets of its own."""
        self._states.append(self._pair_value)
        if self._peek().kind in {":", ",", "]"}:
            # The reader consumes the token together with the missing key.
            self._add_empty()
            self._take()
        else:
            self._node(is_block=False)

    def _pair_value(self) -> None:
        self._states.append(self._end)
        if self._peek().kind == ":":
            self._take()
            if self._peek().kind not in {",", "]"}:
                self._node(is_block=False)
                return
        self._add_empty()

    def _first_flow_key(self) -> None:
        self._flow_key(is_first=True)

    def _next_flow_key(self) -> None:
        self._flow_key(is_first=False)

    def _flow_key(self, *, is_first: bool) -> None:
        if not is_first and self._peek().kind != "}":
            self._separator("did not find expected ',' or '}'")
        token = self._peek()
        if token.kind == "}":
            self._take()
            self._end()
        elif token.kind == "?":
            self._take()
            self._states.append(self._flow_value)
            if self._peek().kind in {":", ",", "}"}:
                self._add_empty()
            else:
                self._node(is_block=False)
        else:
            self._states.append(self._missing_flow_value)
            self._node(is_block=False)

    def _flow_value(self) -> None:
        self._states.append(self._next_flow_key)
        if self._peek().kind == ":":
            self._take()
            if self._peek().kind not in {",", "}"}:
                self._node(is_block=False)
                return
        self._add_empty()

    def _missing_flow_value(self) -> None:
        self._states.append(self._next_flow_key)
        self._add_empty()
