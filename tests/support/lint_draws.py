"""Webhook configurations to ask lint and a real API server about, good and bad; drawn from a seed.

Pure. Everything comes from the `random.Random` that is handed in: one seed, one sequence.
"""

import copy
import random
from collections.abc import Mapping, Sequence
from typing import Any, Final

from schemagen.problems import JSON

VERSION: Final = "admissionregistration.k8s.io/v1"
KINDS: Final = ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration")
MAX_CHANGES: Final = 3
MAX_WEBHOOKS: Final = 3

_LONG = "x" * 64
_OTHERS: Final[Sequence[JSON]] = (None, "", "x", 0, 1, 1.5, True, [], {}, [None], [""], [{}], ["x"])
_TEXTS = ("a", "A", "a.b", "a.b.c", "A.b.c", "a.b.c.", "a..b.c", "a_b.c.d", _LONG, f"{_LONG}.b.c")
_VALUES: Final[Sequence[JSON]] = ({}, {"values": ["b"]}, {"values": []}, {"values": ["-"]})
_SELECTORS: Final[Sequence[JSON]] = (
    {},
    {"matchLabels": {"a": "b"}},
    {"matchLabels": {"a b": "b"}},
    {"matchLabels": {"a/b/c": "b"}},
    {"matchLabels": {"a": _LONG}},
    {"matchLabels": {"a": "-"}},
    *(
        {"matchExpressions": [{"key": key, "operator": operator, **values}]}
        for key in ("a", "kubernetes.io/metadata.name", "")
        for operator in ("In", "NotIn", "Exists", "DoesNotExist", "in", "")
        for values in _VALUES
    ),
)
_CLIENTS: Final[Sequence[JSON]] = (
    {},
    {"url": "https://a", "service": {"name": "a", "namespace": "b"}},
    *(
        {"url": url}
        for url in (
            *("https://a.example.com/b", "http://a", "a", "", "https://", "https://a?b=c", "%"),
            *("https://a#b", "https://u:p@a", "https://[::1]:1/", "https://a:99999", "https://a/é"),
        )
    ),
    *(
        {"service": {"name": "a", "namespace": "b", **members}}
        for members in (
            *({}, {"name": ""}, {"namespace": ""}, {"name": None}, {"name": "A_"}, {"port": 0}),
            *({"port": 1}, {"port": 65535}, {"port": 65536}, {"port": "443"}, {"path": ""}),
            *({"path": "a"}, {"path": "/"}, {"path": "/a/b"}, {"path": "/a//b"}, {"path": "/../a"}),
            *({"path": "/a/"}, {"path": "/A b"}, {"other": 1}),
        )
    ),
)
_BUNDLES: Final = ("", "Zm9v", "Zm9v\n", "Zm\r\n9v", "Zm9", "Zm 9v", "====", "é", 5, ["Zm9v"])
_EXPRESSIONS: Final = (
    *(
        "true",
        "false",
        "1",
        "'a'",
        "",
        " ",
        "object",
        "object.a == 1",
        "object.a",
        "oldObject == null",
    ),
    *("request.name == 'a'", "request.bogus == 1", "request.userInfo.groups.exists(g, g == 'a')"),
    *("params.a == 1", "variables.a == 1", "namespaceObject.metadata.name == 'a'", "a", "true &&"),
    *(
        "authorizer.group('').resource('pods').check('get').allowed()",
        "quantity('1') == 1",
        "[1].x",
    ),
    *("object.all(a, true)", "has(object.metadata.labels)", "'a' in request.userInfo.groups"),
)
_CONDITIONS: Final[Sequence[JSON]] = (
    [],
    *([{"name": "a", "expression": expression}] for expression in _EXPRESSIONS),
    *([{"name": name, "expression": "true"}] for name in ("", "a b", "a/b", "a/b/c", "A", _LONG)),
    [{"name": "a"}],
    [{"expression": "true"}],
    [{"name": "a", "expression": "true"}] * 2,
    [{"name": f"a{number}", "expression": "true"} for number in range(65)],
)
_RULES: Final[Mapping[str, Sequence[JSON]]] = {
    "apiGroups": ([], [""], ["*"], ["a.b", "*"], ["authentication.k8s.io"]),
    "apiVersions": ([], [""], ["*"], ["v1", "*"], ["V 1"]),
    "operations": ([], ["*"], ["*", "CREATE"], ["create"], ["CONNECT"], ["DELETE", "DELETE"]),
    "resources": (
        *([], [""], ["*"], ["*/*"], ["*", "pods"], ["pods", "*"], ["*/*", "pods"], ["pods/*"]),
        *(["pods/*", "pods/log"], ["*/scale", "pods/scale"], ["tokenreviews"], ["a/b/c"]),
    ),
    "scope": ("*", "Cluster", "Namespaced", "cluster", ""),
    "other": (1,),
}
_MEMBERS: Final[Mapping[str, Sequence[JSON]]] = {
    "name": _TEXTS,
    "timeoutSeconds": (-1, 0, 1, 10, 30, 31, 2**31, 2**63, "5", 1.5),
    "failurePolicy": ("Fail", "Ignore", "fail"),
    "matchPolicy": ("Exact", "Equivalent", "exact"),
    "sideEffects": ("None", "NoneOnDryRun", "Some", "Unknown", "none"),
    "reinvocationPolicy": ("Never", "IfNeeded", "Always"),
    "admissionReviewVersions": (
        *([], ["v1"], ["v1beta1"], ["v1", "v1beta1"], ["v1", "v1"], ["v2"], ["v1", "v2"], ["V1"]),
        *(["v1", ""], "v1", [1]),
    ),
    "namespaceSelector": _SELECTORS,
    "objectSelector": _SELECTORS,
    "clientConfig": _CLIENTS,
    "matchConditions": _CONDITIONS,
    "rules": ([], [{}], [None]),
    "other": (1,),
}
_METADATA: Final[Mapping[str, Sequence[JSON]]] = {
    "name": (*_TEXTS, "a.static.k8s.io", ".static.k8s.io", "a/b", "%", "x" * 254),
    "generateName": _TEXTS,
    "namespace": ("default", ""),
    "labels": ({"a": "b"}, {"a b": "c"}, {"a": _LONG}, {"a": 1}),
    "annotations": ({"a": "b"}, {"A b": "c"}, {"a": "b\n"}, {"a": None}),
    "finalizers": (["a"], ["a/b"], ["a b"], ["orphan"]),
    "ownerReferences": ([{"apiVersion": "v1", "kind": "Pod", "name": "a", "uid": "b"}], [{}]),
    "other": (1,),
}


def configuration(rng: random.Random, number: int) -> JSON:
    """A configuration that the API server may well take, or one that was spoiled."""
    value: JSON = {
        "apiVersion": VERSION,
        "kind": rng.choice(KINDS),
        "metadata": {"name": f"drawn-{number}"},
        "webhooks": [_webhook(rng, index) for index in range(rng.randint(0, MAX_WEBHOOKS))],
    }
    for _ in range(rng.randint(0, MAX_CHANGES)):
        _spoil(rng, value)
    return value


def _webhook(rng: random.Random, index: int) -> dict[str, Any]:
    return {
        "name": f"w{index}.example.com",
        "admissionReviewVersions": ["v1"],
        "clientConfig": {"url": "https://a.example.com/b", "caBundle": "Zm9v"},
        "sideEffects": rng.choice(["None", "NoneOnDryRun"]),
        "rules": [
            {
                "apiGroups": ["a.example.com"],
                "apiVersions": ["v1"],
                "operations": ["CREATE", "UPDATE"],
                "resources": ["things", "things/status"],
            }
        ],
    }


def _spoil(rng: random.Random, value: JSON) -> None:
    """Change one member of the whole, of its metadata, of a webhook or of a part of it."""
    webhooks = [one for one in _items(value, "webhooks") if isinstance(one, dict)]
    where = rng.random()
    if where < 0.05 or not webhooks:
        _change(rng, value, {"metadata": [{}], "webhooks": [[]], "other": [1]})
    elif where < 0.2:
        _change(rng, value.get("metadata"), _METADATA)
    else:
        _spoil_webhook(rng, rng.choice(webhooks))


def _spoil_webhook(rng: random.Random, webhook: JSON) -> None:
    part, members = webhook, _MEMBERS
    rules = [one for one in _items(webhook, "rules") if isinstance(one, dict)]
    chosen = rng.random()
    if chosen < 0.2 and rules:
        part, members = rng.choice(rules), _RULES
    elif chosen < 0.3:
        part, members = webhook.get("clientConfig"), {"caBundle": _BUNDLES, "other": (1,)}
    _change(rng, part, members)


def _change(rng: random.Random, part: JSON, members: Mapping[str, Sequence[JSON]]) -> None:
    if not isinstance(part, dict):
        return
    name = rng.choice([*members])
    match rng.randint(0, 9):
        case 0:
            part.pop(name, None)
        case 1:
            part[name] = copy.deepcopy(rng.choice(_OTHERS))
        case _:
            part[name] = copy.deepcopy(rng.choice(members[name]))


def _items(value: JSON, name: str) -> list[Any]:
    found = value.get(name)
    return found if isinstance(found, list) else []
