"""CEL rules on strings: causes equal the judge's exactly, for hundreds of strings at once.

A case has three strings and two numbers, and the rules are those of a list's items.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from schemagen import cel, judge
from tests.support import depth

pytestmark = pytest.mark.slow

# What texts may be to CEL: quantities, versions, addresses, URLs, durations, times, patterns.
# ruff: noqa: S104 - an address in a list is bound to nothing
# fmt: off
TEXTS = [
    "", "a", "b", "ab", "a-b", "abc", "A", "1", "2", "-1", "007", "1.5", "true", "false", "t",
    "x", "a,b,3", ",", "--", " a ", "\ta\n", "\xe9", "\u65e5\u672c", "a\u0301", "\U0001f600b",
    "\xa0a\u2003", "0", "\xe9,b", 'q"\'\\', "\x01\x7f", "%s", "%d", "%.3f", "%", "%%", "%q",
    "%.", "%.2e", "%5s %s", "%s %s %s", "[0-9]", "a*", "b+", "(", "^a", "$", "\\d+", "a|b",
    "1Ki", "1.5Gi", "100m", "1e3", "1E3", "1e-3", "12345678901234567890", "0.0000000001", "1n",
    "-5", "+5", "-", "5Ei", "99Ei", ".5", "5.", ".", "Ki", "e5", "1.1.1", "1e", "1.5Ki",
    "-1.5Mi", "1000m", "1500m", "1e30", "9223372036854775807", "9223372036854775808",
    "-9223372036854775808", "18446744073709551615", "0.1", "1i", "1KI", "1 ", "1k", "1M", "1E",
    "1u", "1e99", "0Ki", "00012", "123456789012345678", "1234567890123456789Ki",
    "0.000000001Ki", "1.2.3", "v1.2.3", "1.2", "1.2.3-alpha", "1.2.3-alpha.1", "1.2.3-1",
    "1.2.3-01", "1.2.3+b", "1.2.3-a+b.c", "01.2.3", "1.2.3-", "1.2.3+", "1.a.3", "1..3",
    "1.2.-3", "1.2.3-\u03b1", "v01.02.3", "1.2-a", "99999999999999999999.1.1", "1.2.3-beta.11",
    "1.2.3-beta.2", "1.1.1.1", "127.0.0.1", "::1", "::", "::ffff:1.2.3.4", "fe80::1",
    "fe80::1%eth0", "ff02::1", "224.0.0.1", "169.254.1.1", "255.255.255.255", "0.0.0.0",
    "1.2.3.4.5", "256.1.1.1", "01.1.1.1", "1.1.1.a", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8:9",
    "1::2::3", "12345::", "2001:DB8::1", "2001:db8:0:0:1::1", "1:2:3:4:5:6:1.2.3.4",
    "::1.2.3.4", "1.2.3.4::", "%eth0", "1.1.1.", "10.0.0.0/8", "10.1.2.3/8", "10.1.2.3/33",
    "::/0", "fe80::/10", "::1/128", "10.0.0.0/08", "10.0.0.0/", "/8", "10.0.0.0",
    "fe80::1%a/64", "::ffff:1.2.3.0/120", "10.1.0.0/16", "1.2.3.4/32", "10.0.0.0/-1",
    "10.0.0.0/a", "http://example.com", "https://example.com:80/path?k=v#f",
    "http://user:p%40ss@host/", "http://[::1]:80/", "http://[::1", "http://[1.2.3.4]/", "/path",
    "/a b", "/a%20b", "/a%zz", "http://a b/", "http://ex%41mple/", "http://ex%e9/",
    "mailto:a@b", "*", ":", "://x", "a:b", "http://h:80a/", "http://h:1:2/", "db://h:1,i:2/",
    "http://h/%41%2f?a=1&b=2&a=3&c=%zz&d;e&+=+", "http://h?", "http://h/?#", "HTTP://H/",
    "http://h/(a)'!*", "//h/p", "http:///p", "http://h/\xe9", "http://\xe9.com/",
    "http:opaque?x", "http://[fe80::1%25e%20n]/", "http://u@@h/", "a/b:c", "http://h/p#\xe9%zz",
    "http://h/p#a b", "http://h\x7f/", "1h", "1h30m", "90s", "-5m", "1.5h", "1d", "PT1H",
    "1h1h", "9999999h", "300000h", "2562047h47m16.854775807s", "-2562047h47m16.854775808s",
    "2562047h47m16.854775808s", ".5s", "1.s", "1us", "1\xb5s", "1ns", "100", "1 h", "3 days",
    "1w", "2020-01-01T00:00:00Z", "2020-02-30T00:00:00Z", "2020-01-01T00:00:00+02:00",
    "2020-01-01T00:00:00.123456789Z", "2020-01-01T00:00:00", "2020-01-01",
    "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2020-01-01T24:00:00Z", "2020-1-1T0:0:0Z",
    "2020-01-01t00:00:00z", "0000-01-01T00:00:00Z", "2020-12-31T23:59:60Z",
    "2020-01-01T00:00:00,5Z", "2020-01-01T0:00:00Z", "a.b/c", "a/b/c", "/c", "a_b", "my-label-",
    "-a", "aB", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "a.b", "a..b",
    "1a", "cccccccccc-", "a-", "my.sub-", "x.-", "123e4567-e89b-12d3-a456-426614174000",
    "aGVsbG8=", "aGVsbG8", "+02:00", "-03:30", "a:b:c", "+a:00", "+02", "nan", "inf", "-Inf",
    "Infinity", "0x1p4", "1_000", "1e400", "1e5", "NaN",
]
# fmt: on

NUMBERS = [0, 1, 2, -1, 5, 3, 9223372036854775807, -9223372036854775808, 1 << 33, 1600000000]

RULES = """\
self.s == self.t
self.s != self.t
self.s < self.t
self.s in ['a', 'b', '']
self.s.contains(self.t)
self.s.startsWith(self.t)
self.s.endsWith(self.t)
self.s.matches(self.t)
self.s.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')
self.s.matches('a.c$')
matches(self.s, 'b+')
self.s.find('[0-9]+') == '1'
isURL(self.s)
url(self.s).getHost() == 'example.com'
url(self.s) == url(self.t)
isIP(self.s)
ip(self.s).isLoopback()
ip(self.s) == ip(self.t)
isCIDR(self.s)
cidr(self.s).containsIP(self.t)
cidr(self.s).containsIP(ip(self.t))
cidr(self.s).containsCIDR(self.t)
cidr(self.s) == cidr(self.t)
cidr(self.s) == cidr(self.s).masked()
ip.isCanonical(self.s)
isQuantity(self.s)
quantity(self.s).isGreaterThan(quantity(self.t))
quantity(self.s) == quantity(self.t)
quantity(self.s).add(quantity(self.t)).isLessThan(quantity('1Gi'))
quantity(self.s).add(quantity(self.t)).isInteger()
quantity(self.s).sub(quantity(self.t)) == quantity('0')
[quantity(self.s)].all(q, q.isGreaterThan(quantity('12345678901234567890')) || q.isInteger())
isSemver(self.s)
isSemver(self.s, true)
semver(self.s).isGreaterThan(semver(self.t))
semver(self.s) == semver(self.t)
semver(self.s, true).isLessThan(semver(self.t, true))
format.dns1123Label().validate(self.s).hasValue()
!format.named(self.t).hasValue() || format.named(self.t).value().validate(self.s).hasValue()
self.?s.orValue("") == "a"
self.?s.or(self.?t).orValue('q') == 'a'
optional.ofNonZeroValue(self.s).hasValue()
[?self.?s, ?self.?t] == ['a']
{?'k': self.?s} == {'k': 'a'}
has({?'k': self.?s}.k)
optional.unwrap([self.?s, self.?t]) == ['a']
dyn(self.i) == dyn(self.s)
dyn(self.i) < dyn(self.s)
-dyn(self.s) == 1
dyn(self.s) - dyn(self.t) == 1
dyn(self.s).x == 1
dyn(self.s)[0] == 1
duration(self.s) > duration('1s')
timestamp(self.s) > timestamp('2020-01-01T00:00:00Z')
self.s.split(',').all(x, x.size() > 0)
self.s.split(',').exists(x, int(x) > 2)
self.s.substring(1, 3) == 'bc'
uint(self.s) > 2u
double(self.s) > 1.5
bool(self.s)
'ab'.contains(self.s) || self.s.contains('ab')
"""

# Expressions whose values, or errors, appear in messages.
VALUES = """\
self.s
int(self.s)
double(self.s)
uint(self.s)
bool(self.s)
duration(self.s)
timestamp(self.s)
self.s + self.t
self.s.size()
self.s.charAt(self.i)
self.s.indexOf(self.t)
self.s.indexOf(self.t, self.i)
self.s.lastIndexOf(self.t)
self.s.lastIndexOf(self.t, self.i)
self.s.lowerAscii()
self.s.upperAscii()
self.s.replace(self.t, 'X')
self.s.replace(self.t, 'X', self.i)
self.s.split(self.t)
self.s.split(self.t, self.i)
self.s.substring(self.i)
self.s.substring(self.i, self.j)
self.s.trim()
strings.quote(self.s)
'%d %s'.format([self.i, self.s])
'%x %X'.format([self.s, self.s])
self.t.format([self.i, self.s])
'%d'.format([dyn(self.s)])
'%f'.format([dyn(self.s)])
'100%% %s'.format([self.s])
self.s.find('[0-9]+')
self.s.find(self.t)
self.s.findAll('[0-9]*')
self.s.findAll('[a-c]', 2)
self.s.findAll(self.t)
self.s.findAll(self.t, self.i)
url(self.s).getScheme()
url(self.s).getHost()
url(self.s).getHostname()
url(self.s).getPort()
url(self.s).getEscapedPath()
url(self.s).getQuery()
string(ip(self.s))
ip(self.s).family()
ip(self.s).isUnspecified()
ip(self.s).isLoopback()
ip(self.s).isLinkLocalMulticast()
ip(self.s).isLinkLocalUnicast()
ip(self.s).isGlobalUnicast()
ip.isCanonical(self.s)
string(cidr(self.s))
string(cidr(self.s).ip())
string(cidr(self.s).masked())
cidr(self.s).prefixLength()
quantity(self.s).asApproximateFloat()
quantity(self.s).asInteger()
quantity(self.s).isInteger()
quantity(self.s).compareTo(quantity(self.t))
quantity(self.s).add(quantity(self.t)).asApproximateFloat()
quantity(self.s).add(self.i).asInteger()
quantity(self.s).sub(self.i).asApproximateFloat()
semver(self.s).major()
semver(self.s).minor()
semver(self.s).patch()
semver(self.s).compareTo(semver(self.t))
semver(self.s, true).patch()
isSemver(self.s, self.b)
format.dns1123Label().validate(self.s).orValue([])
format.dns1123Subdomain().validate(self.s).orValue([])
format.dns1035Label().validate(self.s).orValue([])
format.qualifiedName().validate(self.s).orValue([])
format.dns1123LabelPrefix().validate(self.s).orValue([])
format.dns1123SubdomainPrefix().validate(self.s).orValue([])
format.dns1035LabelPrefix().validate(self.s).orValue([])
format.labelValue().validate(self.s).orValue([])
format.uri().validate(self.s).orValue([])
format.uuid().validate(self.s).orValue([])
format.byte().validate(self.s).orValue([])
format.date().validate(self.s).orValue([])
format.datetime().validate(self.s).orValue([])
self.?s.orValue('none')
[self.s, self.t]
quantity(self.s).add(quantity('1')).asApproximateFloat()
format.dns1123Label().validate(self.s).hasValue()
"""

TEXT = {"type": "string", "maxLength": 60}
INTEGER = {"type": "integer"}


def rules() -> list[dict[str, Any]]:
    shown = [
        {
            "rule": f"dyn({value}) == dyn('no such text')",
            "messageExpression": f"'%s'.format([{value}])",
            "message": value,
        }
        for value in VALUES.splitlines()
    ]
    return [*({"rule": rule} for rule in RULES.splitlines()), *shown]


CASE = {
    "type": "object",
    "properties": {"s": TEXT, "t": TEXT, "i": INTEGER, "j": INTEGER, "b": {"type": "boolean"}},
    "x-kubernetes-validations": rules(),
}

CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "things.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"plural": "things", "kind": "Thing"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {"cases": {"type": "array", "maxItems": 5, "items": CASE}},
                    }
                },
            }
        ],
    },
}

# Thousands of causes in one answer cost the judge gigabytes.
BATCH = 5


@pytest.fixture(scope="module")
def things() -> Iterator[judge.Loaded]:
    with judge.Judge(deadline_seconds=60) as asked, asked.load(CRD) as loaded:
        yield loaded


def cases(shift: int) -> list[dict[str, Any]]:
    """Return each text with the one a number of positions further on."""
    return [
        {
            "s": text,
            "t": TEXTS[(place + shift) % len(TEXTS)],
            "i": NUMBERS[place % len(NUMBERS)],
            "j": NUMBERS[(place + shift) % len(NUMBERS)],
            "b": place % 2 == 0,
        }
        for place, text in enumerate(TEXTS)
    ]


def theirs(things: judge.Loaded, batch: list[dict[str, Any]]) -> set[tuple[str, str, str]]:
    value = {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "x"}}
    verdict = things.create({**value, "cases": batch})
    return {(cause.field, cause.reason, cause.message) for cause in verdict.causes}


# Of all texts with each shift, a sample takes every second batch: each text once.
@pytest.mark.parametrize(("shift", "first"), [(1, 0), (7, 1)])
def test_causes_are_the_judges(things: judge.Loaded, shift: int, first: int) -> None:
    ours = cel.Rules(CASE)
    every = cases(shift)
    batches = [every[start : start + BATCH] for start in range(0, len(every), BATCH)]

    for batch in batches if depth.DEEP else batches[first::2]:
        expected = theirs(things, batch)
        causes: set[tuple[str, str, str]] = set()
        undecided: list[str] = []
        for place, case in enumerate(batch):
            outcome = ours.check(case)
            field = f"cases[{place}]"
            causes |= {(field, finding.reason, finding.message) for finding in outcome.findings}
            undecided += [field for _ in outcome.undecided]

        # Go has its own messages for invalid patterns; those rules are left to the judge.
        patterns = {cause for cause in expected if "error parsing regexp" in cause[2]}
        assert set() == causes ^ (expected - patterns)
        assert sorted(undecided) == sorted(cause[0] for cause in patterns)


def test_every_rule_is_run() -> None:
    assert () == cel.Rules(CASE).left
