"""Property names as CEL identifiers: ``namespace`` is ``__namespace__``, ``a-b`` is ``a__dash__b``.

As apiserver 1.37's ``pkg/cel/escaping.go``.
"""

import re

# fmt: off
RESERVED = frozenset((
    "true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function",
    "if", "import", "let", "loop", "package", "namespace", "return", "var", "void", "while",
))
# fmt: on
_ESCAPES = {"__": "__underscores__", ".": "__dot__", "-": "__dash__", "/": "__slash__"}
_UNESCAPES = {"underscores": "__", "dot": ".", "dash": "-", "slash": "/"}
_TO_ESCAPE = re.compile(r"__|[-./]")
_ESCAPED = re.compile(r"__([^_]+)__")
_POSSIBLE = re.compile(r"[A-Za-z_./-][A-Za-z0-9_./-]*", re.ASCII)
PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


def escaped(name: str) -> str | None:
    """Return the CEL identifier of a property, or None if it has none."""
    if not _POSSIBLE.fullmatch(name):
        return None
    if name in RESERVED:
        return f"__{name}__"
    return _TO_ESCAPE.sub(lambda match: _ESCAPES[match[0]], name)


def unescaped(identifier: str) -> str | None:
    """Return the property of an identifier, or None if its escaping is invalid."""
    parts: list[str] = []
    last = 0
    for match in _ESCAPED.finditer(identifier):
        part = _UNESCAPES.get(match[1])
        if part is None and match[0] == identifier and match[1] in RESERVED:
            part = match[1]
        if part is None:
            return None
        parts += (identifier[last : match.start()], part)
        last = match.end()
    return "".join((*parts, identifier[last:]))
