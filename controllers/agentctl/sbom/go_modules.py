"""The Go modules that a WebAssembly module was linked from. Pure.

The linker writes them into the binary (runtime/debug, ReadBuildInfo): what is read here is what is
inside, not what a go.mod allows. Needs the standard library alone, as `documents` does.
"""

import re
from collections.abc import Iterator

# Around the text of cmd/go, modload.ModInfoData.
_BEGIN = bytes.fromhex("3077af0c9274080241e1c107e6d618e6")
_END = bytes.fromhex("f932433186182072008242104116d8f2")
# In the section «producers» of WebAssembly's tool conventions.
_COMPILER = re.compile(rb"Go cmd/compile.go(\d+\.\d+(?:\.\d+)?)", re.DOTALL)
REDUCED = "linked from a part of its files: see schemagen/judge/recipe.py"


def linked(binary: bytes) -> list[tuple[str, str, str]]:
    """Return name, version and a comment of each module, the standard library first.

    Raises:
        ValueError: The file has no build information.
    """
    begin, end = binary.find(_BEGIN), binary.find(_END)
    compiler = _COMPILER.search(binary)
    if not 0 <= begin < end or compiler is None:
        raise ValueError(
            "expected a WebAssembly module with Go's build information, got a file without it: "
            "build it with Go 1.26 or newer (`make judge`), and do not strip it afterwards"
        )
    lines = binary[begin + len(_BEGIN) : end].decode().splitlines()
    return [("stdlib", compiler[1].decode(), ""), *_modules(lines)]


def _modules(lines: list[str]) -> Iterator[tuple[str, str, str]]:
    """Modules; the line after one that is replaced says by what."""
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        word, *fields = line.split("\t")
        if word == "dep":
            yield fields[0], fields[1], REDUCED if following.startswith("=>\t") else ""
