"""CEL rules on data of every kind: causes equal the judge's exactly.

The values are taken from small pools in a fixed order, so that each is combined with many others.
"""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from schemagen import cel, judge
from schemagen.problems import JSON

Schema = dict[str, Any]

TEXT: Schema = {"type": "string", "maxLength": 60}
INTEGER: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}
NULLABLE: Schema = {"type": "string", "nullable": True, "maxLength": 10}
DYNAMIC: Schema = {"x-kubernetes-int-or-string": True, "maxLength": 20}


def formatted(name: str) -> Schema:
    return {"type": "string", "format": name, "maxLength": 60}


def listed(items: Schema, most: int = 6, **more: Any) -> Schema:
    keywords = {f"x-kubernetes-{name.replace('_', '-')}": value for name, value in more.items()}
    return {"type": "array", "maxItems": most, "items": items, **keywords}


def mapped(values: Schema) -> Schema:
    return {"type": "object", "maxProperties": 5, "additionalProperties": values}


def of(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties}


KEYED = listed(
    of(name=TEXT, v=INTEGER) | {"required": ["name"]}, list_type="map", list_map_keys=["name"]
)
ODD_KEY: Schema = {
    "type": "object",
    "required": ["k-k"],
    "properties": {"k-k": TEXT, "v": INTEGER},
}
ODDLY_KEYED = listed(ODD_KEY, 3, list_type="map", list_map_keys=["k-k"])
OBJECTS = listed(of(a=TEXT, v=INTEGER, w=NUMBER))
OBJECT = of(x=INTEGER, y=TEXT, z=of(q=TEXT))
KEPT: Schema = {**of(known=TEXT), "x-kubernetes-preserve-unknown-fields": True}
OPAQUE: Schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
EMBEDDED: Schema = {**OPAQUE, "x-kubernetes-embedded-resource": True}
ODD = dict.fromkeys(("a__dot__b", "x__y", "__z__", "k-k"), TEXT)

PROPERTIES: Mapping[str, Schema] = {
    **dict.fromkeys(("s", "t"), TEXT),
    **dict.fromkeys(("i", "j", "in"), INTEGER),
    **dict.fromkeys(("n", "m"), NUMBER),
    "b": {"type": "boolean"},
    "by": formatted("byte"),
    **dict.fromkeys(("du", "dv"), formatted("duration")),
    **dict.fromkeys(("dt", "du2"), formatted("date-time")),
    "d": formatted("date"),
    **dict.fromkeys(("ios", "ios2"), DYNAMIC),
    "ns": NULLABLE,
    **dict.fromkeys(("ls", "lt"), listed(TEXT)),
    "li": listed(INTEGER),
    "ln": listed(NUMBER),
    "ld": listed(formatted("duration")),
    "ldt": listed(formatted("date-time")),
    "lb": listed({"type": "boolean"}),
    "lns": listed(NULLABLE),
    "lios": listed(DYNAMIC),
    **dict.fromkeys(("set", "set2"), listed(TEXT, list_type="set")),
    "seti": listed(INTEGER, list_type="set"),
    **dict.fromkeys(("lm", "lm2"), KEYED),
    **dict.fromkeys(("lo", "lo2"), OBJECTS),
    "ll": listed(listed(INTEGER, 4), 4),
    **dict.fromkeys(("mp", "mp2"), mapped(TEXT)),
    "mi": mapped(INTEGER),
    "mo": mapped(of(x=INTEGER)),
    **dict.fromkeys(("o", "o2"), OBJECT),
    **dict.fromkeys(("a-b", "c.d", "e/f", "g__h", "namespace"), TEXT),
    **dict.fromkeys(("pu", "pu2"), KEPT),
    "op": OPAQUE,
    "emb": EMBEDDED,
    "ps": listed(
        of(
            o=OBJECT,
            pu=KEPT,
            op=OPAQUE,
            lm=KEYED,
            lo=OBJECTS,
            emb=EMBEDDED,
            mo=mapped(of(x=INTEGER)),
            lns=listed(NULLABLE),
        ),
        3,
    ),
    "weird": {"type": "object", "properties": ODD},
    "wl": listed({"type": "object", "properties": ODD}, 3),
    "wmm": listed(of(wm=ODDLY_KEYED), 3),
}

# By type and format. Each value of a kind takes the next item of its pool.
POOLS: Mapping[str, list[JSON]] = {
    "string": ["a", "b", "", "ab", "c", "a0", "1", "x,3", "é", "10.0.0.0/8", "q"],
    "integer": [1, 2, 0, -1, 3, 5, 9223372036854775807, -9223372036854775808, 100, -7],
    "number": [1.5, 1, 2, 0.0, -2.5, 1e21, 1e-7, 123456789.125, -0.001, 999999.5, 3.0],
    "boolean": [True, False],
    "byte": ["YWJj", "YQ==", "w6k=", "/w==", "AAEC"],
    "duration": ["1h", "90m", "1s", "0s", "-1h", "100ms", "3 days", "PT1H", "1us"],
    "date-time": [
        "2020-01-01T00:00:00Z",
        "2021-02-03T04:05:06.789Z",
        "2020-01-01T02:00:00+02:00",
        "1999-12-31T23:59:59.999999999-08:00",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59-05:00",
        "0000-02-29T00:00:00Z",
    ],
    "date": ["2020-01-01", "1999-12-31", "2024-02-29"],
    "dynamic": [1, "a", 5, "5", 0, "10%"],
    "nullable": ["a", None, "b"],
    "unknown": [{"u": 1}, {"u": 1.0}, {}, {"u": None, "w": [1]}, {"w": True}, {"w": 1}],
    "name": ["n", "m", "n"],
    "size": [2, 1, 2, 0, 3],
    "is there": [True, True, True, False, True, True, True],
}


class Drawer:
    """Generates values of a schema, the same in every run."""

    def __init__(self) -> None:
        self._pools = {name: itertools.cycle(pool) for name, pool in POOLS.items()}

    def _next(self, name: str) -> JSON:
        return next(self._pools[name])

    def draw(self, schema: Schema) -> JSON:
        if schema.get("x-kubernetes-int-or-string"):
            return self._next("dynamic")
        if schema.get("nullable"):
            return self._next("nullable")
        if schema["type"] == "array":
            return self._list(schema)
        if schema["type"] == "object":
            return self._object(schema)
        return self._next(schema.get("format") or schema["type"])

    def _list(self, schema: Schema) -> JSON:
        items = [self.draw(schema["items"]) for _ in range(self._next("size"))]
        kind = schema.get("x-kubernetes-list-type")
        if kind is None:
            return items
        key = schema.get("x-kubernetes-list-map-keys", [""])[0]
        return [*{(item[key] if kind == "map" else item): item for item in items}.values()]

    def _object(self, schema: Schema) -> JSON:
        members = {} if schema.get("x-kubernetes-embedded-resource") else self._unknown(schema)
        if schema.get("x-kubernetes-embedded-resource"):
            meta = {"name": self._next("name")}
            members = {"apiVersion": "v1", "kind": "K", "metadata": meta}
        for name, prop in schema.get("properties", {}).items():
            if name in schema.get("required", ()) or self._next("is there"):
                members[name] = self.draw(prop)
        if "additionalProperties" in schema:
            for name in ("a", "b")[: self._next("size")]:
                members[name] = self.draw(schema["additionalProperties"])
        return members

    def _unknown(self, schema: Schema) -> dict[str, JSON]:
        is_kept = schema.get("x-kubernetes-preserve-unknown-fields")
        return {**self._next("unknown")} if is_kept else {}


RULES = """\
self.i < self.j
self.i <= self.n
self.n > self.m
self.n == self.m
self.b
!self.b
self.b || self.i / self.j == 1
self.b && self.i % self.j == 1
self.i / self.j == 1 || self.b
self.i / self.j == 1 && self.b
has(self.s) && has(self.o.x)
has(self.o) ? has(self.o.z) : has(self.i)
has(self.o.z.q) || has(self.i)
self.by == b'abc'
self.by != bytes(self.s)
self.du < self.dv
self.du == self.dv
self.du + self.dv > duration('1h')
self.dt < self.du2
self.dt == self.du2
self.dt - self.du2 > self.du
self.dt + self.du > self.du2
self.d > timestamp('2020-01-01T00:00:00Z')
self.ios == self.ios2
self.ios == 5
self.ios == '5'
type(self.ios) == string ? self.ios.startsWith('a') : self.ios < 5
self.ios.startsWith('a')
self.ios < 5
self.ios + 1 > 3
size(self.ios) > 2
self.ios.matches('^[0-9]+$')
self.ios in [1, 2]
self.ios.lowerAscii() == 'a'
int(self.ios) > 3
self.?ns.hasValue()
'a' in self.ls
self.s in self.ls
self.i in [1, 2, 3]
self.n in [1.0, 2.5]
self.i in self.li
self.n in self.ln
self.ls == self.lt
self.ls == ['a', 'b']
['a', 'b'] == self.ls
self.set == self.set2
self.set == ['a', 'b']
['a', 'b'] == self.set
self.seti == [1, 2]
self.set + self.set2 == self.set2 + self.set
(self.set + self.set2).size() == self.set.size()
self.ls + self.lt == self.lt + self.ls
self.ll == [[1, 2], [3]]
[1, 2] in self.ll
self.mp == self.mp2
self.mp == {'a': 'b'}
{'a': 'b'} == self.mp
self.mi == {'a': 1}
'a' in self.mp
self.s in self.mp
self.mp.a == 'b'
self.mp['a'] == 'b'
self.mp[self.s] == self.t
has(self.mp.a)
self.mo.a.x == 1
self.mp.all(k, k.size() < 3)
self.mp.exists(k, self.mp[k] == k)
self.mp.exists_one(k, k == 'a')
self.mi.all(k, self.mi[k] > 0)
size(self.mp) == 2
self.ls.all(x, x.size() < 3)
self.ls.exists(x, x == 'a')
self.ls.exists_one(x, x == 'a')
self.li.all(x, 10 / x > 1)
self.li.exists(x, 10 / x > 1)
self.li.exists_one(x, 10 / x > 1)
self.li.map(x, 10 / x) == [1]
self.li.filter(x, 10 / x > 1) == [1]
self.li.map(x, 10 / x > 1, 10 % x) == [0]
self.ls.all(x, self.ls.exists_one(y, x == y))
self.li.all(x, self.li.exists_one(y, x == y))
self.ln.all(x, self.ln.exists_one(y, x == y))
self.lo.all(x, self.lo.exists_one(y, x.a == y.a))
self.lo.all(x, self.lo.exists_one(y, y.v == x.v))
self.lo.all(x, self.lo.exists_one(y, y == x))
self.lns.all(x, self.lns.exists_one(y, x == y))
self.lo.all(x, has(x.a) && x.a != '')
self.lo.all(x, x.v > 0 || x.a == 'a')
self.lo.exists(x, x.v > 0 && x.w < 2.0)
self.lo.map(x, x.v).isSorted()
self.ls.all(i, v, i < 2 || v == 'a')
self.ls.exists(i, v, i == 1 && v == 'a')
self.ls.exists_one(i, v, i > 0 && v == 'a')
self.ls.existsOne(i, v, v == 'a')
self.mp.all(k, v, k == v)
self.mp.exists(k, v, k == v)
self.mi.exists_one(k, v, 10 / v > 1)
self.ls.transformList(i, v, i > 0, v) == ['a']
self.mp.transformMap(k, v, k + v) == {'a': 'ab'}
self.mi.transformMap(k, v, v > 1, 10 / v) == {'a': 5}
self.ls.transformMapEntry(i, v, {v: i}) == {'a': 0, 'b': 1}
self.mi.transformMapEntry(k, v, {v: k}) == {1: 'a'}
self.li.isSorted()
self.ls.isSorted()
self.ln.isSorted()
self.ld.isSorted()
self.ldt.isSorted()
self.lb.isSorted()
self.lios.isSorted()
self.li.sum() == 3
self.ln.sum() > 3.5
self.ld.sum() < duration('1h')
self.ld.map(x, x + duration('1s')).sum() < duration('1h')
self.ls.map(x, size(x)).sum() < 5
self.ls.filter(x, x == 'a').map(x, duration(x)).sum() < duration('1s')
self.lios.sum() == 3
self.li.min() < self.li.max()
self.ls.max() == 'b'
self.lios.max() == 3
self.ls.indexOf('a') == 0
self.li.lastIndexOf(2) == 1
self.ln.indexOf(1.0) == 0
sets.contains(self.ls, self.lt)
sets.contains(self.ls, ['a'])
sets.equivalent(self.ls, self.lt)
sets.intersects(self.ls, self.lt)
sets.contains(self.lns, self.lns)
self.ls.distinct() == self.ls
self.ls.sort() == self.ls
self.ls.reverse() == self.lt
self.li.slice(0, 2) == [1, 2]
self.ll.flatten() == [1, 2, 3]
self.lo.sortBy(x, x.v) == self.lo
self.ls.sortBy(x, size(x)) == self.ls
lists.range(3) == self.li
self.?o.?x.orValue(3) == 3
self.?o.x.orValue(3) == 3
self.?o.z.q.hasValue()
self.o.?z.?q.hasValue()
self.?i.optMap(v, v + 1).orValue(0) == 2
self.?o.optFlatMap(v, v.?x).orValue(0) == 2
self.ls[?0].orValue("") == "a"
self.ls[?7].hasValue()
self.mp[?'a'].orValue('') == 'b'
self.mp.?a.orValue('') == 'b'
optional.ofNonZeroValue(self.i).hasValue()
optional.ofNonZeroValue(self.ls).hasValue()
optional.ofNonZeroValue(self.du).hasValue()
self.ls.first().orValue('') == 'a'
self.ls.last().orValue("") == "b"
self.ls[0] == 'a'
self.ls[self.i] == 'a'
self.ll[0][1] == 2
self.lo[0].v == 1
self.ls[-1] == 'a'
self.a__dash__b == 'x'
self.c__dot__d == 'x'
self.e__slash__f == 'x'
self.g__underscores__h == 'x'
self.__namespace__ == 'x'
self.__in__ == 1
has(self.__namespace__)
self.pu.known == 'x'
has(self.pu.known)
self.emb.kind == 'K'
self.emb.metadata.name == 'n'
has(self.emb.metadata.generateName)
has(self.emb.apiVersion)
self.i + self.j > 0
self.i - self.j > 0
self.i * self.j > 0
-self.i < 0
self.i / 2 * 2 == self.i
self.n / self.m > 1.0
self.n * 2.0 > self.m - 1.0
-self.n < 0.0
self.i == 1 ? self.j == 1 : self.n == 1.0
dyn(self.i) == 1.0
dyn(self.b) + dyn(self.i) == 1
dyn(self.ls) == dyn(self.s)
dyn(self.s) == dyn(self.ls)
dyn(self.mp) == dyn(self.ls)
dyn(self.ls) + dyn(self.s) == []
!dyn(self.i)
-dyn(self.b) == 1
dyn(self.mp) < dyn(self.mp)
dyn(self.i).all(x, true)
dyn(self.ls)['a'] == 1
dyn(self.mp)[1] == 1
dyn(self.ls)[1.0] == 'a'
dyn(self.ls)[1.5] == 'a'
dyn([1,2])[1.0] == 2
{1: 'a', 2: 'b'}[self.i] == 'a'
{true: 1}[self.b] == 1
type(self.i) == int
type(self.n) == double
type(self.du) == google.protobuf.Duration
type(self.dt) == google.protobuf.Timestamp
type(self.ls) == list
type(self.mp) == map
type(self.ns) == null_type
type(type(self.i)) == type
type(ip('1.1.1.1')) == net.IP
timestamp(self.i) > timestamp('2020-01-01T00:00:00Z')
self.dt.getFullYear() > 2020
self.dt.getHours('+02:00') > 12
self.dt.getHours('-08:30') > 12
self.ls.join('-') == 'a-b'
self.ls.exists(x, self.lt.exists(y, self.li.exists(z, x + y == string(z))))
self.ls.map(x, self.lt.map(y, x + y)).exists(l, 'ab' in l)
self.lo.filter(x, has(x.v)).all(x, x.v > 0)
self.lo.map(x, {'k': x.v}).all(m, m.k > 0)
self.mp.map(k, self.mp[k]).exists(x, x == 'b')
1u < uint(self.i)
uint(self.i) + 1u > 2u
string(self.b) == 'true'
int(self.n) > 2
uint(self.n) > 2u
self.ps[0].o == self.ps[1].o
self.ps[0].o != self.ps[1].o
self.ps[0].pu == self.ps[1].pu
self.ps[0].op == self.ps[1].op
self.ps[0].lm == self.ps[1].lm
self.ps[0].lm + self.ps[1].lm == self.ps[1].lm + self.ps[0].lm
(self.ps[0].lm + self.ps[1].lm).size() > 2
(self.ps[0].lm + self.ps[1].lm).all(x, x.v > 1)
(self.ps[0].lm + self.ps[1].lm + self.ps[0].lm) == self.ps[0].lm
self.ps[0].lo == self.ps[1].lo
self.ps[0].lo + self.ps[1].lo == self.ps[1].lo + self.ps[0].lo
self.ps[0].emb == self.ps[1].emb
self.ps[0].mo == self.ps[1].mo
self.ps[0].lns == self.ps[1].lns
self.ps[0] == self.ps[1]
self.ps[0] in [self.ps[1]]
self.ps.all(x, self.ps.exists_one(y, x == y))
self.ps.all(x, self.ps.exists_one(y, x.o == y.o))
sets.intersects(self.ps[0].lo, self.ps[1].lo)
sets.contains(self.ps[0].lo, self.ps[1].lo)
self.weird.a__underscores__dot__underscores__b == 'x'
self.weird.x__underscores__y == 'x'
self.wl[0] == self.wl[1]
self.wl.all(x, x.k__dash__k == 'a')
self.wmm[0].wm == self.wmm[1].wm
self.wmm[0].wm + self.wmm[1].wm == self.wmm[1].wm
(self.wmm[0].wm + self.wmm[1].wm).size() == 2
self.o in [self.o]
self.lo[0] in self.lo
self.ns.size() > 0
dyn(self.ns) == null
dyn(self.?ns) == null
null in self.lns.map(x, dyn(x))
self.lns.all(x, dyn(x) != null && x.size() > 0)
self.lns.exists(x, x.startsWith('a'))
dyn(self.o) == dyn(self.mp)
dyn(self.mp) == dyn(self.o)
self.ls.all(x, x in self.set)
self.set.all(x, self.ls.exists(y, y == x))
(self.set + self.set2) == self.ls
self.ls == (self.set + self.set2)
self.set + ['z'] == ['z'] + self.set
self.mp.all(k, self.mp2.exists(l, l == k))
self.mi.map(k, self.mi[k]).sum() == 3
self.ll.map(x, x.sum()).sum() == 6
self.lo.map(x, x.w).sum() == 0.0
self.ld.filter(x, x > duration('1h')).sum() < duration('1h')
self.li.filter(x, x > 100).sum() == 0
self.ln.filter(x, x > 100.0).sum() == 0.0
self.mi.map(k, k).filter(k, k == 'q').map(k, duration(k)).sum() == duration('0s')
self.ls.map(x, x.size() > 1, x.size()).sum() > 3
[1, 2].map(x, x * self.i).exists(x, x > 2)
self.dt.getFullYear() == self.du2.getFullYear()
self.ls.size() == 2 ? self.ls[0] == 'a' : self.ls.size() == 0
"""

# Expressions whose values, or errors, appear in messages.
VALUES = """\
self.i
self.n
self.m
self.b
self.by
self.du
self.dt
self.d
self.ls
self.li
self.ln
self.ld
self.ldt
self.mp
self.mi
self.mo
self.lo
self.ll
self.lns
self.ios
self.lios
self.set + self.set2
string(self.n)
string(self.i)
string(self.du)
string(self.dt)
string(self.by)
int(self.n)
uint(self.n)
double(self.i)
int(self.du)
int(self.dt)
timestamp(self.i)
self.i + self.j
self.i * self.j
self.i - self.j
self.i / self.j
self.i % self.j
-self.i
self.n + self.m
self.n / self.m
self.du + self.dv
self.du - self.dv
self.dt - self.du2
self.dt + self.du
self.dt - self.du
self.by.size()
self.ls.join()
self.ls.join(self.t)
self.lns.join()
'%f %.2f %.0f'.format([self.n, self.n, self.n])
'%e %.2e'.format([self.n, self.n])
'%b %o %x %X'.format([self.i, self.i, self.i, self.i])
'%x'.format([self.by])
'%b'.format([self.b])
'%s %s %s %s'.format([self.ls, self.mp, self.ln, self.ld])
'%s %s'.format([self.n, self.du])
'%s'.format([self.ns])
'%s'.format([[self.n, 1.5]])
'%s'.format([type(self.i)])
'%s'.format([[self.dt]])
'%s'.format([{'a': self.dt, 'b': self.by}])
self.t.format([self.n])
'%s'.format([dyn(quantity('1'))])
self.ls.map(x, x.size())
self.ls.filter(x, x > 'a')
self.li.sum()
self.ln.sum()
self.ld.sum()
self.li.min()
self.ln.max()
self.ldt.max()
self.ls.min()
self.ls.indexOf(self.s)
self.ls.lastIndexOf(self.s)
self.ls.distinct()
self.lo.distinct().size()
self.ln.distinct()
self.ls.sort()
self.ln.sort()
self.lb.sort()
self.ls.reverse()
self.ls.slice(self.i, self.j)
self.ll.flatten()
self.ls.sortBy(x, size(x))
self.lo.sortBy(x, x.v).map(x, x.v)
self.dt.getFullYear()
self.dt.getMonth()
self.dt.getDate()
self.dt.getDayOfMonth()
self.dt.getDayOfWeek()
self.dt.getDayOfYear()
self.dt.getHours()
self.dt.getMinutes()
self.dt.getSeconds()
self.dt.getMilliseconds()
self.dt.getHours('UTC')
self.dt.getMinutes('+05:30')
self.dt.getMinutes('-05:30')
self.dt.getHours(self.t)
self.du.getHours()
self.du.getMinutes()
self.du.getSeconds()
self.du.getMilliseconds()
self.d.getDayOfWeek()
self.mp.transformMap(k, v, v + 'x')
self.mi.transformList(k, v, v > 0, k).sort()
self.ls.transformMapEntry(i, v, {v: i})
self.ls.transformList(i, v, i)
self.ls.first().orValue('-')
self.mp.map(k, k).sort()
self.lios.max()
self.o.z.q
self.mo.a.x
self.ls[1]
self.mp['a']
type(self.ios)
{'k': self.i}
self.i == 1 ? 'one' : 'many'
(self.ps[0].lm + self.ps[1].lm).map(x, x.name)
(self.ps[0].lm + self.ps[1].lm).map(x, x.v)
self.?o.x.orValue(7)
self.wl.map(x, x.k__dash__k)
(self.wmm[0].wm + self.wmm[1].wm).map(x, x.v)
self.ps.map(x, x.o.x)
self.ps.map(x, x.emb.metadata.name)
'%s'.format([self.set + self.set2])
dyn(self.ns)
self.lns.map(x, dyn(x))
"""


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


SPEC: Schema = {
    "type": "object",
    "properties": PROPERTIES,
    "x-kubernetes-validations": rules(),
}


def definition(spec: Schema) -> Schema:
    schema = {"type": "object", "properties": {"spec": spec}}
    version = {"name": "v1", "served": True, "storage": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "things", "kind": "Thing"},
            "versions": [{**version, "schema": {"openAPIV3Schema": schema}}],
        },
    }


@pytest.fixture(scope="module")
def things() -> Iterator[judge.Loaded]:
    with judge.Judge(deadline_seconds=60) as asked, asked.load(definition(SPEC)) as loaded:
        yield loaded


def specs() -> list[JSON]:
    drawer = Drawer()
    found = [drawer.draw({"type": "object", "properties": PROPERTIES}) for _ in range(12)]
    for spec in found[::2]:  # lists that are equal except for their order
        if "ps" in spec and len(spec["ps"]) > 1:
            spec["ps"][1] = {
                name: one[::-1] if isinstance(one, list) else one
                for name, one in spec["ps"][0].items()
            }
        if "set" in spec:
            spec["set2"] = spec["set"][::-1]
    return found


@pytest.mark.parametrize("spec", specs(), ids=range(12))
def test_causes_are_the_judges(things: judge.Loaded, spec: JSON) -> None:
    value = {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "x"}}
    verdict = things.create({**value, "spec": spec}, strict=False)

    outcome = cel.Rules(SPEC).check(spec)

    expected = {(cause.field, cause.reason, cause.message) for cause in verdict.causes}
    causes = {("spec", finding.reason, finding.message) for finding in outcome.findings}
    assert () == outcome.undecided
    assert set() == expected ^ causes


def test_every_rule_is_run() -> None:
    assert () == cel.Rules(SPEC).left


@pytest.mark.parametrize("value", [0, 0.0, 5.0, -0.0, 1e3])
def test_presence_of_a_scalar_is_determined_by_reading_it(value: float) -> None:
    rule = {"rule": "has(self.n)", "message": "expected n"}
    schema = {
        "type": "object",
        "properties": {"n": {"type": "integer"}},
        "x-kubernetes-validations": [rule],
    }
    thing = {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "x"}}

    with judge.Judge(deadline_seconds=60) as asked, asked.load(definition(schema)) as loaded:
        verdict = loaded.create({**thing, "spec": {"n": value}}, strict=False)
    messages = [
        (finding.reason, finding.message)
        for finding in cel.Rules(schema).check({"n": value}).findings
    ]

    assert [(cause.reason, cause.message) for cause in verdict.causes] == messages
    assert (type(value) is float) == bool(messages)
