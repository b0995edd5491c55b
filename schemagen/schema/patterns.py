"""Check that a pattern written for Python means the same to the API server (Go's RE2). Pure."""

import functools
import re
from typing import Final

# Python syntax that RE2 lacks, and what to write instead.
_PYTHON_ONLY: Final = (
    (r"\(\?(?:[=!]|<[=!])", "RE2 has no lookahead or lookbehind; write that part as a Cel rule"),
    (r"\(\?P=|\(\?\(", "RE2 has no backreferences; write it as a Cel rule"),
    (r"\\[1-9]", "RE2 has no backreferences; write it as a Cel rule"),
    (r"\(\?>|[*+?}]\+", "RE2 has no possessive or atomic groups; leave the + or ?> out"),
    (r"\\Z", r"the end of a text is \z or $ in RE2"),
    (r"\(\?[aiLmsux-]*[aLux]", "RE2 supports only the flags i, m and s; leave others out"),
    (r"\(\?#", "RE2 has no comments; write it next to the field"),
    (r"\\[uUN]", r"write the character itself, or \x{10FFFF} with its number"),
)
# Supported by RE2 for C++ but not by Go.
_GO_LACKS: Final = re.compile(r"(?<!\\)(?:\\\\)*\\C")
# Python warns about these in a class: they may become set operations.
_DOUBLED: Final = re.compile(r"\[\[|--|&&|~~|\|\|")

# Flags of a compiled pattern: the first is RE2's default, the second is always set.
_SAME: Final = re.ASCII | re.UNICODE
_INLINE: Final = {re.IGNORECASE: "i", re.MULTILINE: "m", re.DOTALL: "s"}

# Classes that are wider in Python, unless re.ASCII is set.
_CLASSES: Final = re.compile(r"\\([dDwWsSbB])")
_ASCII: Final = {"d": "[0-9]", "D": "[^0-9]", "w": "[0-9A-Za-z_]", "W": "[^0-9A-Za-z_]"}

# Patterns without constructs that differ; RE2 need not be loaded for them.
_PLAIN: Final = re.compile(r"(?:[^\\(+*?{}]|\\[-./dDwWsS+*?()\[\]{}|^$\\]|\((?!\?)|[+*?](?![+*?{])|\{\d{1,3}(?:,\d{0,3})?\}(?![+*?{]))*")  # noqa: E501 - one pattern  # fmt: skip


def text_of(pattern: str | re.Pattern[str]) -> str:
    """Return the text of a pattern, compiled or not."""
    return pattern if isinstance(pattern, str) else pattern.pattern


def problem(pattern: str | re.Pattern[str]) -> str | None:
    """Return why the API server would read a pattern differently and how to fix it, or None."""
    if isinstance(pattern, re.Pattern):
        return _compiled_problem(pattern)
    return _text_problem(pattern)


def _compiled_problem(pattern: re.Pattern[str]) -> str | None:
    if not isinstance(pattern.pattern, str):
        return "a bytes pattern; write a str pattern"
    inline = _inline_flags(pattern.pattern)
    flags = re.RegexFlag(pattern.flags) & ~_SAME & ~inline
    if flags:
        return _flags_problem(pattern.pattern, flags)
    wider = _CLASSES.search(pattern.pattern.replace("\\\\", ""))
    if wider is not None and not pattern.flags & re.ASCII:
        narrower = _ASCII.get(wider[1], "what is meant")
        return (
            f"{wider[0]} matches letters and digits of every script in Python, but only ASCII in "
            f"RE2; write {narrower}, compile it with re.ASCII, or pass the text alone"
        )
    return _text_problem(pattern.pattern)


def _inline_flags(text: str) -> re.RegexFlag:
    """Return the inline flags at the start of a text: ``(?im)``."""
    match = re.match(r"\(\?([ims]+)\)", text)
    flags = re.RegexFlag(0)
    for flag, letter in _INLINE.items():
        if match is not None and letter in match[1]:
            flags |= flag
    return flags


def _flags_problem(text: str, flags: re.RegexFlag) -> str:
    letters = "".join(letter for flag, letter in _INLINE.items() if flag & flags)
    if flags & ~re.RegexFlag(sum(_INLINE)):
        return f"the flags {flags!r}, which a schema cannot express; write the pattern without"
    return (
        f"the flags {flags!r}, which a schema cannot express; write them inline in RE2 syntax: "
        f'pattern=r"(?{letters}){text}"'
    )


@functools.cache
def _text_problem(text: str) -> str | None:
    if _GO_LACKS.search(text):
        return r"\C, which Go does not have; write ."
    if _PLAIN.fullmatch(text) and not _DOUBLED.search(text) and text.isascii():
        return _python_problem(text)
    return _re2_problem(text)


def _python_problem(text: str) -> str | None:
    try:
        re.compile(text)
    except re.error as error:
        return f"{error}; correct it"
    return None


def _re2_problem(text: str) -> str | None:
    import re2  # noqa: PLC0415 - 20 ms that most APIs need not pay

    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(text, options)
    except UnicodeEncodeError:
        return "a lone surrogate, which no JSON string contains; leave it out"
    except re2.error as error:
        reason = error.args[0].decode() if isinstance(error.args[0], bytes) else error
        return f"{reason}; {_way_out(text)}"
    return None


def _way_out(text: str) -> str:
    ways = (way_out for syntax, way_out in _PYTHON_ONLY if re.search(syntax, text))
    return next(ways, "write it in RE2's syntax")
