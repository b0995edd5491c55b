"""Hypothesis strategies: what an agent, or an image with a runner of its own, may leave behind."""

from hypothesis import strategies as st

DEEP = "[" * 2000 + "]" * 2000
DEEPER = '{"a":' * 500 + "1" + "}" * 500
# As JSON, so that there is also what no value of Python is.
SCALARS = st.one_of(
    st.sampled_from(
        [
            *("null", "true", "false", "0", "-1", "5", "0.5", "1e308", "1e999", "-1e-999"),
            *("123456789012345678901234567890", "2147483648", "-2147483649", "99999999999"),
            *('""', '"x"', '"\\u0000\\u0007\\u001b[31m"', '"\\ud83d"', '"\\ud83d\\ude00"'),
            *('"0001-01-01T00:00:00Z"', '"9999-12-31T23:59:59Z"', '"2026-13-40T00:00:00Z"'),
            *('"2026-01-01T00:00:00Z"', '"succeeded"', '"failed"', '"cancelled"', '"data:,x"'),
            *("[]", "{}", "NaN", "", "[", "{", '"', "[1", '{"a":', DEEP, DEEPER),
            f'"{"n" * 3000}"',
            '"\u00fc\u4e2d\U0001f600"',
        ]
    ),
    st.integers().map(str),
)
NAMES = st.sampled_from(
    [
        *("status", "exitCode", "error", "signal", "provider", "adapter", "startedAt"),
        *("finishedAt", "artifacts", "loopControl", "loopControlError", "extra", "phase"),
        *("startTime", "completionTime", "outputArtifacts", "missingArtifacts", "name", "path"),
        *("key", "url", "outputArtifactsOmitted", "left", "message", "code", "id", "statusUrl"),
        *("", "\\u0000", "x" * 300, "threadId"),
    ]
)


def _list_of(items: list[str]) -> str:
    return f"[{','.join(items)}]"


def _object_of(members: list[tuple[str, str]]) -> str:
    return "{" + ",".join(f'"{name}":{value}' for name, value in members) + "}"


JSON_TEXTS: st.SearchStrategy[str] = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4).map(_list_of)
        | st.lists(st.tuples(NAMES, inner), max_size=4).map(_object_of)
    ),
    max_leaves=10,
)
OBJECTS = st.lists(st.tuples(NAMES, JSON_TEXTS), min_size=1, max_size=6).map(_object_of)
ARTIFACTS = st.lists(
    st.lists(st.tuples(NAMES, SCALARS), max_size=4).map(_object_of) | SCALARS, max_size=60
).map(_list_of)
REPORTS = st.tuples(OBJECTS, ARTIFACTS, ARTIFACTS).map(
    lambda three: (
        f'{three[0][:-1]},"artifacts":{{"outputArtifacts":{three[1]},'
        f'"missingArtifacts":{three[2]}}}}}'
    )
)
# Of a termination message, a status.json or a control file.
BYTES: st.SearchStrategy[bytes] = st.one_of(
    OBJECTS.map(str.encode),
    REPORTS.map(str.encode),
    JSON_TEXTS.map(str.encode),
    st.binary(max_size=64),
    st.sampled_from(
        [
            *(b"", b"[" * 4096, b"\xff\xfe{}", b"\xef\xbb\xbf{}", b"Segmentation fault", b"null"),
            *(b'{"status":"failed","error":"caf\xe9"}', b'{"status":"succeeded"}{}', b"{}" * 9),
            *(b'{"status":"failed","error":"' + b"x" * 5000, b"0" * 5000, b"9" * 5000),
            *(DEEP.encode(), b'{"status":"succeeded","x":' + DEEP.encode() + b"}"),
            b'{"x":"' + b"y" * 70_000 + b'"}',
        ]
    ),
    st.tuples(REPORTS, st.integers(0, 200)).map(lambda two: two[0].encode()[: -two[1] or None]),
)
