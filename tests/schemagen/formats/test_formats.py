"""Formats are checked as by the API server, whose verdicts serve as the reference."""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import pytest
from hypothesis import strategies as st

from schemagen import formats, judge
from schemagen.formats import letters
from tests.support import draws

GROUP = "formats.example.com"
NAMES = sorted(formats.STRING_FORMATS)
PIECE = 250
NUMBER_FORMATS: list[tuple[Literal["integer", "number"], str]] = [
    ("integer", ""),
    ("integer", "int32"),
    ("integer", "int64"),
    ("integer", "double"),
    ("number", ""),
    ("number", "float"),
    ("number", "double"),
    ("number", "int32"),
]


def listed(text: str, between: str = " | ") -> list[str]:
    return text.strip().replace("\n", between).split(between)


ODD = ["", "\n", "\r", "\t", "\v", "\f", " ", "\x00", "\x7f", "\x80", "\x85", "\xa0", "\u2028"]
ODD += ["é", "ß", "İ", "µ", "μ", "☃", "😀", "\ufeff", "\ufffd", "\uffff", "\U0010ffff"]
ODD += ["\N{ARABIC-INDIC DIGIT THREE}", "\N{FULLWIDTH DIGIT NINE}", "\N{KELVIN SIGN}"]
ODD += ["\N{LATIN SMALL LETTER LONG S}", "\N{LATIN SMALL LETTER DOTLESS I}"]
ODD += ["\u1c89", "\ua7da"]  # letters since Unicode 16.0, unknown to Go 1.26
HEX24 = "507f1f77bcf86cd799439011"
UUIDS = listed(
    """
f47ac10b-58cc-3372-8567-0e02b2c3d479 f47ac10b-58cc-4372-8567-0e02b2c3d479
F47AC10B-58CC-5372-A567-0E02B2C3D479 f47ac10b58cc4372b5670e02b2c3d479
f47ac10b-58cc4372-c567-0e02b2c3d479 f47ac10b-58cc-3372-0567-0e02b2c3d479
{f47ac10b-58cc-4372-8567-0e02b2c3d479} urn:uuid:f47ac10b-58cc-4372-8567-0e02b2c3d479
00000000-0000-0000-0000-000000000000
""",
    " ",
)
ISBNS = listed("""
0321751043 | 3-401-01319-X | 3-401-01319-x | X401013190 | 3836221195 | 978-0321751041
978 3401013190 | 9784873113685 | 1234567890128 | --0321751043--
""")
ISBNS += ["3 401\t01319\nX", "978-3\v8362-2119-1"]
IPS = listed(
    """
1.2.3.4 1.2.3.04 0001.000.00.255 1.2.3.256 1.2.3 1.2.3.4.5 1..2.3 .1.2.3 1.2.3. 00000000256.1.1.1
16777215.1.1.1 :: ::1 ::: :1 1: 1::2::3 ::ffff:1.2.3.4 ::ffff:1.2.3.04 0:0:0:0:0:0:1.2.3.4
0:0:0:0:0:0:0:1.2.3.4 ::1.2.3.4:1 1.2.3.4:: 0:0:0:0:0:0:1.2.3.4:: 1:2:3:4:5:6:7:8 1:2:3:4:5:6:7::
::1:2:3:4:5:6:7 ::1:2:3:4:5:6:7:8 1:2:3:4::5:6:7:8 1:2:3:4:5:6:7:8:9 0000000001:: 00001::2 10000::
fe80::1%eth0 fe80::1% FE80::ABCD [::1] 1:2:3:4:5:6:7.8.9.10 1:2:3:4:5:1.2.3.4 ::a.2.3.4
::0256.1.1.1
""",
    " ",
)
TIMES = listed("""
2014-12-15T19:30:20.000Z | 2014-12-15t19:30:20z | 2014-12-15T19:30:20 | 2014-12-15 19:30:20Z
2014-12-15T23:59:59+99:99 | 2014-12-15T24:00:00Z | 2014-12-15T23:59:60Z
2014-12-15T19:30:20,5-01:00 | 2014-12-15T19:30:20x5Z | 2014-12-15T19:30:20T5Z
2014-12-15T19:30:20t5Z | 2014-12-15T19:30:20.Z | 2014-12-15T19:30:20.5ZTomorrow
2014-12-15T19:30:20ZT | 2014-12-15T19:30Z | 2024-02-29T00:00:00Z | 2023-02-29T00:00:00Z
0000-01-01T00:00:00Z | 2014-12-15T19:30:20+0100 | 2014-12-15 | 2024-02-29 | 1900-02-29
0000-02-29 | 2000-02-29 | 2014-13-01 | 2014-00-01 | 2014-04-31 | 2014-04-00 | +014-04-30
14-04-30 | 12014-04-30 | 2014-4-3
""")
TIMES += [f"2023-{month:02}-{day}" for month in range(14) for day in range(28, 33)]
TIMES += [f"2014-12-15T19:30:20{odd}5Z" for odd in ODD]
EMAILS = listed("""
a@b | someone@example.com | .a@b | a.@b | a..b@c | a.b@c.d | a@b. | "quoted local"@b | ""@b
a@[1.2.3.4] | a@[1.2.3.04] | a@[::1] | a@[::1%25eth0] | a@[IPv6:::1] | a@[] | a@[1.2.3.4
Barry Gibbs <bg@example.com> | Barry Gibbs<bg@example.com> | Barry <bg@example.com> x
Barry <bg@example.com> (x) | Barry.Gibbs.. <a@b> | <a@b> | < a@b> | <a@b > | <a@ b> | a @b | a@ b
"Barry" Gibbs <a@b> | "" <a@b> | Barry (c) Gibbs (d) <a@b> | (c) Barry <a@b> | (c) a@b | a@b (c)
a@b (c (d) e) (f) | a@b (c | a@b ) | a@b, c@d | group: a@b; | group: a@b, c@d; | group: ;
group:; | group: a@b | group: a@b; (c) | group: A <a@b>; x | group: inner: a@b;; | : a@b;
=?utf-8?q?=C3=A9?= <a@b> | =?utf-8?q??= <a@b> | =?utf-8?q??= (c) <a@b> | =?utf-8?q?x?= (c) <a@b>
=?x?q?b?= <a@b> | =?x?q?=zz?= <a@b> | =?x?q?=ff?= <a@b> | =?x?q?=f?= <a@b> | a =?x?q?b?= <a@b>
=?utf-8?q?a?= =?x?q?b?= <a@b> | =?utf-8?q??= =?x?q?b?= <a@b> | =?x?b?QQ==?= <a@b>
=?x?b?QQ=?= <a@b> | =?x?b??= <a@b> | =?iso-8859-1?B?QQ==?= <a@b> | =?US-ASCII?q?a?= <a@b>
=?x?qq?a?= <a@b> | =??q?a?= <a@b> | =?x?q?a?b?= <a@b> | a@b (=?x?q?b?=) | a@b (=?x?q?b?)
a@b (=?utf-8?q?b?=) | a@b (c) (=?x?q?b?=)
""")
EMAILS += [" a@b ", "\ta@b\t", r'"a\"b"@c', '"a\\', '"é"@é', "\x80@\x80", "a@\ufffd", "a\x7f@b"]
EMAILS += [r"a@b (c\)", r"a@b (c\))", "a@b (\\", r"a@b (\=?x?q?b?=)", "a@b (=?x?b?Q\nQ=\r=?=)"]
EMAILS += ["=?u\u017f-a\u017fcii?b?QQ==?= <a@b>"]
URIS = listed("""
http://foo.bar/#com | http://a.b | http://a.b#c | /path | //host[ | /%zz | /%41 | /a%4 | /a b | *
*? | ? | path | ./path | :a | 1a:b | a: | a+b-c.1:x | a_b:x | mailto:someone@example.com
mailto:%zz | a:?%zz | a:/%zz | a:/b?%zz | a:///b | a:// | a://? | a://b?c?d | a://u:p@h
a://u@v@h | a://u%41@h | a://u%4@h | a://u[@h | a://@h | a://h:80 | a://h: | a://h:8a | a://h:1:2
a://h:x:2 | http://h:1:2 | HTTP://h:1:2 | https://h:1:2 | http://h:x: | a://h1:1,h2:2 | a://h h
a://h%20h | a://h%C3%A9 | a://h%25h | a://h%4 | a://<h> | a://"h" | a://h] | a://h^ | a://h[
a://[::1] | a://[::1]:80 | a://[::1]x | a://[::1]:x | a://[::1 | a://[1.2.3.4]
a://[::ffff:1.2.3.4] | a://[fe80::1%25en0] | a://[fe80::1%25] | a://[fe80::1%en0]
a://[fe80::1%25%20] | a://[fe80::1%25%2F] | a://[fe80::1%25%25] | a://[fe80::1%25%41%C3%A9]
a://[fe80::1%25a b] | a://[fe80::1%25a]b] | a://[fe80::1%25a%2] | a://[fe80%3A:1] | a://[::1]]
a://[[::1]] | a://x::1%25[] | a://[::1%25[] | a://[v1.x] | a://u@[::1] | a://[::1]@h
""")
URIS += ["/\x7f", "é:x", "a://ü@h", "a://hé", "a://h\\", "a://[fe80::1%25é]"]
DURATIONS = listed("""
0 | +0 | -0 | 00 | + | 1h | 1h30m | -1.5h | +.5s | 1.s | .s | -.s | 1.5.s | PT1H | P1D | 3 days
3 DAYS | 5 minutesandmore | 5 hours | 5hr | 5hrs | 5 wks | 5wk | 5W | 5us | 5 US | 5 x 3 h | h5 | 5
9223372036854775807ns | 9223372036854775808ns | -9223372036854775808ns
9223372036854775808ns9223372036854775808ns | 4611686018427387904.ns4611686018427387904.ns
-4611686018427387904.ns4611686018427387904.ns | 9223372036854775808.ns9223372036854775808.ns
-9223372036854775808.ns9223372036854775808.ns | 9223372036854775808.ns9223372036854775808.ns1.ns
99999999999999999999 x 1h | 1h 99999999999999999999x | 1h 99999999999999999999
2562047h47m16.854775807s | 2562047h47m16.854775808s | 10000000h
""")
DURATIONS += listed("""
5µs | 5 µs | 5 µS | 5μs | 5 μs | 5.μs | 9223372036854775808μs | 9223372036854775.807μs
9223372036854775.808μs | -9223372036854775.808μs | 9223372036854775.8079999999999999999μs
-9223372036854775.809μs | 9223372036854775μs9223372036854775μs | 1.9223372036854775808μs
1.9223372036854775809μs | 1.00000000000000000000000000000000000001μs
""")
DURATIONS += ["3 \vdays", f"1.{'0' * 400}1μs", f"{'0' * 400}1.μs", f"{'9' * 5000}h"]
DURATIONS += [f"{'0' * 5000}1 h", f"1.{'9' * 400}μs", "5sμ"]
HOSTNAMES = listed(
    """
a a- -a a-- a-b a.b a.bc a-.bc a.b-c.de a..bc a.bc. .bc 1.2.3.4 a.c1 a_b $+<=>.com a+ - .
""",
    " ",
)
HOSTNAMES += ["☃.net", "net.☃☃", "xn--a.éé", f"{'é' * 31}a.com", f"{'é' * 32}.com"]
HOSTNAMES += [
    form % ("a" * length) for length in (62, 63, 64) for form in ("%s", "%s-", "%s.com", "b.%s")
]
HOSTNAMES += [f"{'abcdefghi.' * 25}co{'m' * length}" for length in (2, 3, 4)]
KUBERNETES_NAMES = listed("a a-b -a a- A a.b a..b .a a. 1.2 a-.b a_b", " ")
KUBERNETES_NAMES += [*("a" * length for length in (63, 64, 253, 254)), "a." * 126 + "a"]
KUBERNETES_NAMES += ["a." * 127 + "a"]
MACS = listed(
    """
3D:F2:C9:A6:B3:4F 3d-f2-c9-a6-b3-4f 3D-F2-C9-A6-B3:4F 3df2.c9a6.b34f 3df2.c9a6.b34f.0000
3df2c9a6b34f 3df2c9a6b34f0000 3df2c9a6b34f00 3D:F2:C9:A6:B3:4F: 3D:F2:C9:A6:B3:4G
""",
    " ",
)
MACS += [*("0" * length for length in (16, 39, 40)), "0000." * 9 + "0000", "3D:F2:C9:A6:B3:é"]
MACS += [f"00{sep}" * (length - 1) + "00" for length in (6, 7, 8, 20, 21) for sep in ":-"]
CARDS = listed("""
4220855426222389 | 4220 8554 2622 2389 | card 4220-8554-2622-2389! | 4220855426213389
5139288802098206 | 374953669708156 | 6011464355444102 | 3548209662790989 | 30190239451016
6521674451993089 | 4222222222222 | 180000000000002 | 213100000000000 | 352800000000000000
30569309025904
""")
# By names without dashes.
SEEDS: Mapping[str, list[str]] = {
    "bsonobjectid": [HEX24, HEX24.upper(), HEX24[:-1], HEX24 + "00", "g" + HEX24[1:]],
    "byte": [*listed("QQ== QUI= QUJD QUJDQQ== QQ= QQ = ==== QQ==QQ== a-_=", " "), "Q\nQ=="],
    "cidr": [f"{ip}/{bits}" for ip in IPS for bits in ("0", "32", "33", "128", "129", "0024", "")]
    + ["1.2.3.4", "/8", "::1/-1", "::1/1/1", "1234/8", "1.2.3.4/16777215", f"::/{'0' * 5000}8"],
    "creditcard": CARDS,
    "date": TIMES,
    "datetime": TIMES,
    "duration": DURATIONS,
    "email": EMAILS,
    "hexcolor": ["#fff", "fff", "#FFFFFF", "ffff", "##fff", "#ggg", "#fff\n"],
    "hostname": HOSTNAMES,
    "ipv4": IPS,
    "ipv6": IPS,
    "isbn": ISBNS,
    "isbn10": ISBNS,
    "isbn13": ISBNS,
    "k8slongname": KUBERNETES_NAMES,
    "k8sshortname": KUBERNETES_NAMES,
    "mac": MACS,
    "password": ["", "x"],
    "rgbcolor": [
        *listed("rgb(0,31,255) | rgb(01,31,255) | rgb(256,0,0) | rgb(199,249,255) | rgb (0,0,0)"),
        *["rgb( 0 ,\t31\n,\r255\f)", "rgb(0,\v31,255)", "RGB(0,0,0)", "rgb(0,0,0,0)"],
    ],
    "ssn": ["191-60-2869", "191 60-2869", "191602869", "191-602869", "19160-2869"],
    "uri": URIS,
    "uuid": UUIDS,
    "uuid3": UUIDS,
    "uuid4": UUIDS,
    "uuid5": UUIDS,
}


def seeds(name: str) -> list[str]:
    """Return hand-picked texts for a format, and odd characters alone and around some of them."""
    texts = SEEDS[name.replace("-", "")]
    return [*texts, *ODD, *(text + odd for text in texts[:3] for odd in ODD)]


EDIT = st.tuples(st.integers(0, 40), st.integers(0, 2), st.integers(0, 9999))
EDITS = draws.drawn(st.tuples(st.integers(0, 999), st.lists(EDIT, min_size=1, max_size=4)), 500)


def mutated(texts: list[str]) -> Iterator[str]:
    """Return texts after some edits: deleted characters, inserted or overwritten pieces."""
    short = [text for text in texts if len(text) < 300]
    pieces = ["", *ODD, *short, *sorted({character for text in short for character in text})]
    for which, edits in EDITS:
        text = short[which % len(short)]
        for at, lost, put in edits:
            place = at % (len(text) + 1)
            text = text[:place] + pieces[put % len(pieces)] + text[place + lost :]
        yield text


def string_schema(name: str) -> dict[str, Any]:
    return {"type": "array", "items": {"type": "string", "format": name}}


def number_schema(type_: str, format_: str) -> dict[str, Any]:
    return {"type": "array", "items": {"type": type_, **({"format": format_} if format_ else {})}}


def definition() -> dict[str, Any]:
    """Return a CRD with a list for each format; its string fields are named by their formats."""
    properties = {name: string_schema(name) for name in NAMES}
    properties |= {
        "unknown": string_schema("no-such-format"),
        "dashed": string_schema("d-ate-time"),
    }
    properties |= {field(*pair): number_schema(*pair) for pair in NUMBER_FORMATS}
    schema = {
        "type": "object",
        "properties": {"spec": {"type": "object", "properties": properties}},
    }
    names = {"plural": "probes", "singular": "probe", "kind": "Probe", "listKind": "ProbeList"}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"probes.{GROUP}"},
        "spec": {"group": GROUP, "scope": "Cluster", "names": names, "versions": [version]},
    }


def field(type_: str, format_: str) -> str:
    return f"{type_}-{format_ or 'any'}"


@pytest.fixture(scope="module")
def probe() -> Iterator[judge.Loaded]:
    with judge.Judge(deadline_seconds=60) as asked, asked.load(definition()) as loaded:
        yield loaded


def manifest(name: str, values: list[Any]) -> dict[str, Any]:
    kind = {"apiVersion": f"{GROUP}/v1", "kind": "Probe"}
    return {**kind, "metadata": {"name": "x"}, "spec": {name: values}}


def refused(probe: judge.Loaded, name: str, texts: list[str]) -> list[str]:
    """Return the texts that the API server refuses, in order.

    In chunks: time and memory of a verdict grow with the square of the errors in a list.
    """
    texts_refused: list[str] = []
    for start in range(0, len(texts), PIECE):
        piece = texts[start : start + PIECE]
        fields = {cause.field for cause in probe.create(manifest(name, piece)).causes}
        texts_refused += [text for at, text in enumerate(piece) if f"spec.{name}[{at}]" in fields]
    return texts_refused


def refused_here(name: str, texts: list[str]) -> list[str]:
    return [text for text in texts if not formats.is_string_format(name, text)]


@pytest.mark.parametrize("name", NAMES)
def test_text_is_judged_as_the_api_server_does(probe: judge.Loaded, name: str) -> None:
    texts = seeds(name)

    assert refused(probe, name, texts) == refused_here(name, texts)


@pytest.mark.parametrize("name", sorted(SEEDS))
def test_mutated_text_is_judged_as_the_api_server_does(probe: judge.Loaded, name: str) -> None:
    texts = list(mutated(seeds(name)))

    assert refused(probe, name, texts) == refused_here(name, texts)


def edges(table: str) -> Iterator[str]:
    """Return the first and the last character of each range, and their neighbors."""
    for pair in table.split():
        first, _, last = pair.partition("-")
        for code in (int(first, 16), int(last or first, 16)):
            yield from (chr(code - 1), chr(code), chr(code + 1))


def test_hostname_knows_the_letters_and_symbols_of_go(probe: judge.Loaded) -> None:
    texts = [*edges(letters.LETTERS), *edges(letters.SYMBOLS)]
    texts += [f"a.{one}{one}" for one in edges(letters.LETTERS)]

    assert refused(probe, "hostname", texts) == refused_here("hostname", texts)


def test_dashes_in_names_do_not_matter(probe: judge.Loaded) -> None:
    texts = seeds("date-time")

    assert refused(probe, "dashed", texts) == refused_here("d-ate-time", texts)
    assert formats.is_known("d-ate-time")


def test_unknown_format_accepts_everything(probe: judge.Loaded) -> None:
    texts = seeds("date-time")

    assert [] == refused(probe, "unknown", texts) == refused_here("no-such-format", texts)
    assert not formats.is_known("no-such-format")
    assert not formats.is_known("")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("byte", "QUJD" * 50_000),
        ("cidr", f"1.2.3.4/{'0' * 200_000}8"),
        ("duration", "1" * 200_000),
        ("duration", "1 " * 100_000),
        ("email", '"' + "a" * 200_000),
        ("email", "a@b " + "(" * 200_000),
        ("email", "a " * 100_000),
        ("isbn", "- " * 100_000),
        ("k8s-long-name", "a." * 100_000),
        ("uri", "a://" + "%41" * 60_000),
    ],
    ids=lambda value: value if len(value) < 20 else "",
)
def test_long_text_takes_no_longer_than_it_must(name: str, text: str) -> None:
    """A pattern searched again from each character would take hours."""
    assert formats.is_string_format(name, text) is (name in {"byte", "cidr"})


INTEGERS = [0, 2**31 - 1, 2**31, 2**53 - 1, 2**53, 2**53 + 1, 2**63 - 1, 2**63, 2**64, 10**30]
FLOATS = [
    0.0,
    1.0,
    1e3,
    1.5,
    0.5,
    1 + 1e-8,
    1 + 1e-9,
    1 + 1e-10,
    2.5,
    1e-320,
    2.0**31,
    2.0**31 - 1,
    2.0**31 - 0.5,
    2.0**53 - 1,
    2.0**53,
    2.0**63,
    math.nextafter(2.0**63, 0),
    1e20,
    math.nextafter(2.0**128 - 2.0**103, 0),
    2.0**128 - 2.0**103,
    math.nextafter(2.0**128 - 2.0**103, math.inf),
    2.0**128,
    1e39,
    1.7976931348623157e308,
]
NUMBERS = [sign * number for number in (*INTEGERS, *FLOATS) for sign in (1, -1)]
NUMBERS += draws.drawn(
    st.integers()
    | st.integers(-(2**64), 2**64)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.floats(-(2.0**64), 2.0**64).map(round).map(float)
    | st.builds(float.__add__, st.integers(-(10**9), 10**9).map(float), st.floats(-1e-7, 1e-7)),
    600,
)


@pytest.mark.parametrize("pair", NUMBER_FORMATS, ids="-".join)
def test_number_is_judged_in_the_words_of_the_api_server(
    probe: judge.Loaded, pair: tuple[Literal["integer", "number"], str]
) -> None:
    name = field(*pair)
    places = [f"spec.{name}[{index}]" for index in range(len(NUMBERS))]
    verdict = probe.create(manifest(name, NUMBERS))

    problems = {
        problem
        for number, place in zip(NUMBERS, places, strict=True)
        for judged in (formats.type_problem, formats.range_problem)
        if (problem := judged(*pair, number, place))
    }
    assert {
        re.sub(r'^Invalid value: ".*?": ', "", cause.message) for cause in verdict.causes
    } == problems
    sound = [number for number in NUMBERS if formats.is_number(*pair, number)]
    assert probe.create(manifest(name, sound)).allowed
    assert len(sound) == len(NUMBERS) - len({re.findall(r"\[\d+\]", said)[0] for said in problems})


def test_integer_beyond_float64_is_refused(probe: judge.Loaded) -> None:
    verdict = probe.create(manifest("number-any", [10**309]))

    assert (False, 400) == (verdict.allowed, verdict.code)
    assert "json: cannot unmarshal number" in verdict.message
    assert -math.inf == formats.decoded(-(10**309))
    assert not formats.is_number("number", "", 10**309)
