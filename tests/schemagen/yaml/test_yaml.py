"""YAML as kubectl parses it: rules by example, each compared with kubectl's own parser."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from schemagen import judge, yaml
from schemagen.crd import definitions
from schemagen.yaml import scalars
from tests.support import gads, yaml_draws, yaml_proof

# What follows `k: `, and its value.
SCALARS: dict[str, Any] = {
    "y": True,
    "Y": True,
    "n": False,
    "Yes": True,
    "oN": "oN",
    "OFF": False,
    "nO": "nO",
    "~": None,
    "NULL": None,
    "nUll": "nUll",
    "1e3": 1000,
    "1E3": 1000,
    "1e21": 1e21,
    "1e400": "1e400",
    ".5": 0.5,
    ".5_0": 0.5,
    "1.0": 1,
    "-0": 0,
    "-0.0": 0,
    "010": 8,
    "08": 8,
    "0o10": 8,
    "0O10": 8,
    "0o8": "0o8",
    "0b11": 3,
    "0b2": "0b2",
    "0b-1": -1,
    "-0b1": -1,
    "0x1F": 31,
    "1_000": 1000,
    "_1": "_1",
    "12:30": "12:30",
    "190:20:30": "190:20:30",
    "2001-01-01": "2001-01-01",
    "2001-01-01 03:04:05 +1": "2001-01-01 03:04:05 +1",
    "=": "=",
    "<<": "<<",
    "9223372036854775807": 2**63 - 1,
    "9223372036854775808": float(2**63),
    "18446744073709551616": float(2**64),
    "!!str 5": "5",
    "!!int '5'": 5,
    "!!float 5": 5,
    "!!bool yes": True,
    "!!null ''": None,
    "!!timestamp 2001-1-1": "2001-1-1",
    "!!binary aGk=": "hi",
    "!!binary /w==": "\ufffd",
    "!!set {a, b}": {"a": None, "b": None},
    "!!omap [a: 1]": [{"a": 1}],
    "!custom x": "x",
    "! 5": "5",
    "'5'": "5",
    '"\\U0001f600\\x41\\e"': "😀A\x1b",
    "|\n  a\n   b\n": "a\n b\n",
    ">-\n  a\n  b\n\n  c\n": "a b\nc",
    "a\n  b": "a b",
    "a # b": "a",
    "a#b": "a#b",
    "{a: b, c}": {"a": "b", "c": None},
    "{a:b}": {"a:b": None},
    '{"a":b}': {"a": "b"},
    "[a: b, c]": [{"a": "b"}, "c"],
}

# Keys, and the strings that they become.
KEYS = {
    "y": "true",
    "off": "false",
    "0x10": "16",
    "1e3": "1000",
    "1.10": "1.1",
    "1000000.0": "1e+06",
    "16777217.0": "1.6777216e+07",
    "0.00001": "1e-05",
    ".inf": ".inf",
    "1e300": ".inf",
    "=": "=",
    "12:30": "12:30",
    "'<<'": "<<",
    "? a": "a",
}

# Refused texts, the line of the problem, and the message.
REFUSED = {
    "a: .nan": (1, "json: unsupported value: NaN"),
    "a: 1\nb: -.inf": (2, "json: unsupported value: -Inf"),
    "null: 1": (1, "unsupported map key: null"),
    "18446744073709551615: 1": (1, "unsupported map key: 18446744073709551615"),
    "[a]: 1": (1, "invalid map key: expected a scalar, got a list"),
    "a: !!int x": (1, "cannot decode !!str `x` as a !!int"),
    "a: !!timestamp x": (1, "cannot decode !!str `x` as a !!timestamp"),
    "a: !!timestamp 2001-02-30": (1, "cannot decode !!str `2001-02-30` as a !!timestamp"),
    "a: !!binary aGk": (1, "!!binary value contains invalid base64 data"),
    "a: !e!x y": (1, "found undefined tag handle"),
    "a: *x": (1, "unknown anchor 'x' referenced"),
    "a: &x [*x]": (1, "anchor 'x' value contains itself"),
    "<<: x": (1, "map merge requires map or sequence of maps as the value"),
    "a: b: c": (1, "mapping values are not allowed in this context"),
    "a:\n\tb: c": (2, "found character that cannot start any token"),
    "a\nb: c": (2, "mapping values are not allowed in this context"),
    "a: [1\nb": (3, "did not find expected ',' or ']'"),
    "a: 'b": (2, "found unexpected end of stream"),
    'a: "\\ud83d\\ude00"': (1, "found invalid Unicode character escape code"),
    'a: "\\/"': (1, "found unknown escape character"),
    "- a\nb: c": (2, "did not find expected '-' indicator"),
    "%YAML 1.2\n---\na": (1, "found incompatible YAML document"),
    "--- a": (1, "invalid Yaml document separator: a"),
    "a: 1\n---\nb: [": (4, "did not find expected node content"),
    '{"a": 1}\ufffdb': (1, "json: expecting value"),
    "a: \x07": (1, "control characters are not allowed"),
}

# Values, and their YAML.
WRITTEN: list[tuple[Any, str]] = [
    ({"y": "n", "on": 1}, "'y': 'n'\n'on': 1\n"),
    (["1e3", "08", "0o10", "0x1F"], "- '1e3'\n- '08'\n- '0o10'\n- '0x1F'\n"),
    (["1_000", ".5", "%", "@a"], "- '1_000'\n- '.5'\n- '%'\n- '@a'\n"),
    (["12:30", "2001-01-01", "=", "0o8"], "- 12:30\n- 2001-01-01\n- =\n- 0o8\n"),
    (["a#b", "-a", "?a", "a:b"], "- a#b\n- -a\n- ?a\n- a:b\n"),
    ({"<<": "<<"}, "'<<': <<\n"),
    ({"---": {"---": "---"}}, "'---':\n  ---: ---\n"),
    ({"a": " b", "c": "d ", "e": ""}, "a: ' b'\nc: 'd '\ne: ''\n"),
    ({"a": "b: c", "d": "e #f", "g": "it's"}, "a: 'b: c'\nd: 'e #f'\ng: it's\n"),
    ({"a": "\t", "b": "\u2028", "c": "\ufeff"}, 'a: "\\t"\nb: "\\L"\nc: "\\uFEFF"\n'),
    ({"a": "b\nc\n", "d": "e\nf", "g": "h\n\n"}, "a: |\n  b\n  c\nd: |-\n  e\n  f\ng: |+\n  h\n\n"),
    ({"a": " b\nc", "d": "e \nf"}, 'a: |2-\n   b\n  c\nd: "e \\nf"\n'),
    ({"a": {}, "b": [], "c": None, "d": True}, "a: {}\nb: []\nc: null\nd: true\n"),
    ({"a": 1e21, "b": -0.0, "c": 1.0, "d": 1e-7}, "a: 1e+21\nb: -0.0\nc: 1.0\nd: 1e-07\n"),
    ({"a": [["b"], {"c": ["d"]}]}, "a:\n- - b\n- c:\n  - d\n"),
    ({"k" * 1025: {"a": 1}}, f"? {'k' * 1025}\n:\n  a: 1\n"),
]


@pytest.fixture(scope="module")
def oracle() -> Iterator[judge.Judge]:
    with judge.Judge(deadline_seconds=60) as opened:
        yield opened


def differences(oracle: judge.Judge, content: bytes) -> list[str]:
    found = yaml_proof.Tally()
    yaml_proof.read(oracle, content, found)
    return found.differences


@pytest.mark.parametrize("text", SCALARS)
def test_scalar_means_what_it_means_to_kubectl(oracle: judge.Judge, text: str) -> None:
    content = f"k: {text}".encode()

    (value,) = yaml.load_all(content)

    assert {"k": SCALARS[text]} == value
    assert type(SCALARS[text]) is type(value["k"])
    assert [] == differences(oracle, content)


@pytest.mark.parametrize("text", KEYS)
def test_key_is_converted_as_by_kubectl(oracle: judge.Judge, text: str) -> None:
    content = f"{text}: x".encode() if text != "? a" else b"? a\n: x"

    assert [{KEYS[text]: "x"}] == yaml.load_all(content)
    assert [] == differences(oracle, content)


@pytest.mark.parametrize("text", REFUSED)
def test_text_is_refused_with_its_line(oracle: judge.Judge, text: str) -> None:
    with pytest.raises(yaml.YAMLError) as caught:
        yaml.load_all(text.encode())

    assert REFUSED[text] == (caught.value.line, caught.value.problem)
    assert [] == differences(oracle, text.encode())


@pytest.mark.parametrize("number", ["9" * 400, "1e400"])
@pytest.mark.parametrize(
    "text", ["{}\n%se\n", "{}\n%s..1\n", '{"a": [%s, 1e]}', '{"a": %s}', "{}%s|2"]
)
def test_number_that_is_too_large_counts_after_the_syntax_of_its_value(
    oracle: judge.Judge, text: str, number: str
) -> None:
    assert [] == differences(oracle, (text % number).encode())


def test_later_fields_replace_earlier_and_merged_ones() -> None:
    text = b"a: &x {p: 1, q: 1}\nb: {q: 2, <<: *x}\nc: {<<: [*x, {p: 3, r: 3}], q: 4, q: 5}\n"

    (value,) = yaml.load_all(text)

    assert {"p": 1, "q": 1} == value["b"]
    assert {"p": 1, "q": 5, "r": 3} == value["c"]


def test_keys_that_convert_to_the_same_string_are_refused() -> None:
    with pytest.raises(yaml.YAMLError, match="line 2: expected one key for the field '1', got two"):
        yaml.load_all(b"1: a\n'1': b")


def test_repeated_keys_are_those_that_strictness_refuses(oracle: judge.Judge) -> None:
    text = b"a: 1\nb:\n  c: 1\n  c: 2\n"

    (document,) = yaml.read(text)

    assert [("c", 4)] == document.repeated()
    assert 'line 4: key "c" already set in map' in oracle.read_document(text, strict=True).problem
    assert "" == oracle.read_document(text).problem


@pytest.mark.parametrize(("value", "text"), WRITTEN, ids=lambda one: repr(one)[:30])
def test_value_is_written_so(oracle: judge.Judge, value: Any, text: str) -> None:
    written = yaml.dumps(value)

    assert text == written
    assert [] == differences(oracle, written.encode())
    assert [value] == yaml.load_all(written.encode())


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"a": [float("nan")]}, "expected a number that fits 64 bits, got nan, at a[0]"),
        ({"a": {"b": 10**400}}, "expected a number that fits 64 bits, got 1000"),
        ({"a": {"b": "\ud83d"}}, "got a lone surrogate, U+D83D, at a.b"),
        ([{5: 1}], "expected a string as key, got 5, at [0]"),
        ({"a": b"x"}, "expected JSON, got bytes, at a"),
    ],
)
def test_value_beyond_yaml_is_refused_with_its_path(value: Any, words: str) -> None:
    with pytest.raises(yaml.WriteError, match=re.escape(words)):
        yaml.dumps(value)


def test_what_lies_too_deep_is_refused() -> None:
    value: Any = "x"
    for _ in range(5000):
        value = [value]

    with pytest.raises(yaml.WriteError, match="at most some hundred levels"):
        yaml.dumps(value)


def test_crd_of_words_that_yaml_knows_reads_as_meant(oracle: judge.Judge) -> None:
    point = next(kind for kind in gads.api.kinds if kind.name == "Point")
    definition = definitions.crd(gads.api, point)

    text = yaml.dumps(definition)

    reading = oracle.read_manifest(text.encode())
    assert (definition,) == reading.documents
    for line in ("'y':", "'n':", "- 'y'", "- =", "default: '1e3'", "- '08'", "- 12:30"):
        assert f" {line}\n" in text


@pytest.mark.parametrize("path", yaml_draws.CRDS, ids=lambda path: path.name)
def test_crd_of_others_is_read_written_and_read_again(oracle: judge.Judge, path: Any) -> None:
    text = yaml_draws.crd(path)

    (value,) = yaml.load_all(text)

    written = yaml.dumps(value).encode()
    assert [] == [*differences(oracle, text), *differences(oracle, written)]
    assert [value] == yaml.load_all(written)


def test_drawn_texts_are_read_and_written_as_kubectl_reads(oracle: judge.Judge) -> None:
    total = yaml_proof.Tally()
    for found in yaml_proof.prove(oracle, 3000, 7):
        total += found

    assert [] == total.differences
    assert 1000 < total.taken < 2900


def test_proof_finds_a_planted_mistake(
    oracle: judge.Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scalars, "_WORDS", {"": None, "~": None, "true": True, "false": False})

    found = [one.differences for one in yaml_proof.prove(oracle, 1000, 8)]

    assert any(found)
