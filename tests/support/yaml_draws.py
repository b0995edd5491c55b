"""Texts and values that try a reader and writer of YAML: of drawn bits, or real and broken."""

import gzip
import pathlib
import random

from schemagen.problems import JSON

ROOT = pathlib.Path(__file__).parents[2]
CRDS = sorted((ROOT / "tests/data/crds").glob("*.yaml.gz"))

# Words that readers of YAML take for something else than text, and their relatives.
WORDS = [
    *("y", "n", "yes", "no", "on", "off", "true", "false", "null", "~", "", "<<", "=", "nil"),
    *(".inf", "-.inf", "+.inf", ".nan", "inf", "nan", "+", "-", "_", ".", "..", "+.", "-.5"),
    *("0", "-0", "+1", "00", "08", "010", "0o10", "0O7", "0o8", "0b1", "0B1", "0b2", "0b-1"),
    *("-0b1", "-0b-1", "0x1F", "0XfF", "-0x1", "0x", "0xG", "1_000", "1__0", "_1", "1_", "0_8"),
    *("1e3", "1E3", "1e+3", "1.e3", "1.5", ".5", "5.", ".5_0", ".5__0", "-1e-3", "1e", "e3"),
    *("1e400", "-1e400", "1e-400", "0.0", "-0.0", "1.0", "1e21", "1e16", "123456789.125"),
    *("9223372036854775807", "9223372036854775808", "-9223372036854775808"),
    *("-9223372036854775809", "18446744073709551615", "18446744073709551616", "1" * 400),
    *("0xffffffffffffffff", "+0xffffffffffffffff", "0777777777777777777777777"),
    *("12:30", "12:30:45", "22:22", "1:2:3.5", "190:20:30", "2001-01-01", "2001-02-30"),
    *("2001-1-1", "2001-01-01T00:00:00Z", "2001-01-01t1:2:3.5+01:30", "2001-01-01 1:2:3"),
    *("2001-01-01 03:04:05 +1", "---", "...", "--- a", "... b", "- a", "? a", ": a", "a: b"),
    *("a:", "a #b", "a#b", "#a", " a", "a ", "a\tb", "\ta", "!a", "&a", "*a", "%a", "@a", "`a"),
    *("|", ">", "'", '"', "'a'", '"a"', "it's", "[a]", "{a}", "a, b", "a?b", "\\", "\\n"),
    *("\n", "a\n", "a\n\n", "a\nb", "\na", " a\nb", "a\n b\n", "a \nb", "\ta\nb", "a\n\tb"),
    *("a\r\nb", "a\x85b", "a\u2028b", "a\u2029b", "\ufeff", "a\ufeff", "\xa0", "\x00", "\x07"),
    *("\x7f", "\x1b", "é", "😀", "\ufffe", "\U0010ffff", "k" * 128, "k" * 1023, "k" * 1025),
    *("word " * 40 + "end", "it's " * 40, " " * 120, "word - # x " * 20 + "end"),
]
_VARIANTS = (str, str.upper, str.lower, str.title, str.swapcase)

# What YAML documents are made of.
BITS = [
    *WORDS,
    *("a", "b", "key", "- ", ": ", ":", "? ", "?", "\n", "\n", "\n  ", "\n ", "\n    ", "\r\n"),
    *("\r", "\t", " ", "  ", "[", "]", "{", "}", ",", ", ", " #c", "&x ", "*x", "&y ", "*y"),
    *("!", "!!str ", "!!int ", "!!float ", "!!bool ", "!!null ", "!!binary ", "!!timestamp "),
    *("!!map ", "!!seq ", "!!set ", "!!omap ", "!!merge ", "!c ", "!<tag:yaml.org,2002:int> "),
    *("''", '\\"', "\\u263a", "\\x41", "\\U0001f600", "\\ud83d", "\\/", "|-", "|+", "|2", ">-"),
    *("|\n ", ">\n  ", "\n---\n", "\n...\n", "\n--- #c\n", "\n--- x\n", "%YAML 1.1\n---\n"),
    *("%YAML 1.2\n", "%TAG ! !x\n", "%TAG !e! tag:yaml.org,2002:\n", "!e!int ", "<<: ", "aGk="),
    *("%41", "x: [1, 2]", "a: b", "- c", "\n- d", "\n  e: f", "\na: 1", "\nb: 2", "\n  - g"),
    *("<<: *x\n", "a: &x {b: 1}\n", "<<: [*x, {c: 2}]\n", "a: &x [*x]", "*x : 1", "null: 1\n"),
]
_JSON_BITS = [
    *('{"a": 1}', "{}", "{}\n", '{"a":1,"a":2}', "{", "}", '"', '"a": ', '"b\\/\\u00e9"', "null"),
    *('{"a": [1.0, 1e3, -0, 1e21]}', '{"t": "\\ud83d\\ude00 \\ud800 \\udc00x"}', '{"a": 1e400}'),
    *("NaN", "01", "99999999999999999999", "true", "[]", ",", ":", " ", "\n", "\n---\n", "a: b"),
]
_CHARACTERS = "abyn019.eE+-_:#' \"\\\t\n&*!|>%@`{}[],?=~<é😀\u2028\x85\xa0\x07\ufeff\r"
_NUMBERS = [0, -1, 2**63 - 1, -(2**63), 2**63, 2**64, 10**30, 1.5, 3.0, -0.0, 1e-7, 1e16, 1e21]


def documents() -> list[bytes]:
    """Documents of real manifests."""
    folders = ("crds/samples", "crds/generated")
    paths = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.yaml"))]
    return [part for path in paths for part in path.read_bytes().split(b"\n---\n")]


def crd(path: pathlib.Path) -> bytes:
    """The text of one of others' CRDs (tests/data/crds/SOURCES.tsv)."""
    return gzip.decompress(path.read_bytes())


class Draw:
    """Draws texts and values; the same seed draws the same."""

    def __init__(self, seed: str, real: list[bytes]) -> None:
        self.random = random.Random(seed)  # noqa: S311 - nothing secret
        self._real = real

    def word(self) -> str:
        """A text, often one that looks like something else."""
        chance = self.random.random()
        if chance < 0.5:
            return self.random.choice(_VARIANTS)(self.random.choice(WORDS))
        if chance < 0.65:
            return self.random.choice(WORDS) + self.random.choice(WORDS)
        if chance < 0.75:
            return "".join(chr(self.random.randrange(0xD800)) for _ in range(4))
        return "".join(self.random.choices(_CHARACTERS, k=self.random.randint(0, 12)))

    def scalar(self) -> bytes:
        """A document of one field: a word as its value, as its key, or as an item."""
        word = self.word()
        form = self.random.choice(["k: {}", "{}: k", "- {}", "{}", "{{k: {}}}", "[{}]", "? {}"])
        return form.format(word).encode(errors="surrogatepass")

    def document(self) -> bytes:
        """A document of bits."""
        bits = self.random.choices(BITS, k=self.random.randint(1, 14))
        return self._torn("".join(bits).encode())

    def stream(self) -> bytes:
        """A text that starts as JSON."""
        start = self.random.choice(["{", '{"a": 1}', "{}\n", '{"b": {}} ', "{}{}", "[", ""])
        bits = self.random.choices([*_JSON_BITS, *BITS], k=self.random.randint(0, 10))
        return self._torn((start + "".join(bits)).encode())

    def mutation(self) -> bytes:
        """Some lines of a real document, changed in some places."""
        lines = self.random.choice(self._real).split(b"\n")
        start = self.random.randrange(len(lines))
        text = b"\n".join(lines[start : start + self.random.randint(1, 25)])
        for _ in range(self.random.randint(1, 4)):
            text = self._changed(text)
        return text

    def _changed(self, text: bytes) -> bytes:
        place, chance = self.random.randrange(len(text) + 1), self.random.random()
        if chance < 0.5:
            return text[:place] + self.random.choice(BITS).encode() + text[place:]
        if chance < 0.75:
            return text[:place] + text[place + self.random.randint(1, 6) :]
        if chance < 0.95:
            lines = text.split(b"\n")
            lines.insert(self.random.randrange(len(lines) + 1), self.random.choice(lines))
            return b"\n".join(lines)
        return text[:place] + bytes([self.random.randrange(256)]) + text[place:]

    def _torn(self, text: bytes) -> bytes:
        """The text, sometimes with a byte too much, or in another encoding."""
        chance, place = self.random.random(), self.random.randrange(len(text) + 1)
        if chance < 0.05:
            return text[:place] + bytes([self.random.randrange(256)]) + text[place:]
        if chance < 0.08:
            encoding = self.random.choice(["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
            return text.decode().encode(encoding)
        return text.replace(b"\n", b"\r\n") if chance < 0.13 else text

    def value(self, depth: int = 0) -> JSON:
        """A JSON value to be written."""
        chance = self.random.random()
        if depth < 4 and chance < 0.25:
            return {self.word(): self.value(depth + 1) for _ in range(self.random.randint(0, 3))}
        if depth < 4 and chance < 0.45:
            return [self.value(depth + 1) for _ in range(self.random.randint(0, 3))]
        if chance < 0.85:
            return self.word()
        return self.random.choice([None, True, False, *_NUMBERS])
