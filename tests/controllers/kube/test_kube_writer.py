"""Only differences are written: by examples, and compared with a real API server."""

import copy
import json
import random
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies

from controllers import kube
from controllers.kube import writer

DEPLOYMENTS = kube.Resource("apps", "v1", "deployments", "Deployment")
SERVICES = kube.Resource("", "v1", "services", "Service")
FINALIZER = "kubewright.dev/cleanup"
MERGED_LISTS = writer.MERGED_LISTS | {"list", "list.ports", "set"}


@pytest.mark.parametrize(
    ("body", "known"),
    [
        ({"a": 1}, {"a": 1, "b": 2}),
        ({"a": {"b": [1, {"c": None}]}}, {"a": {"b": [1, {"c": None}], "d": 1}}),
        ({"a": None}, {}),
        ({"a": 1}, {"a": 1.0}),
        ({"apiVersion": "v1", "kind": "X"}, {}),
        (
            {"list": [{"name": "b", "x": 1}]},
            {"list": [{"name": "a"}, {"name": "b", "x": 1, "y": 2}]},
        ),
        ({"list": []}, {"list": [{"name": "a"}]}),
        (
            {"list": [{"name": "a", "ports": [{"port": 1}]}]},
            {"list": [{"name": "a", "ports": [{"port": 1, "protocol": "TCP"}]}]},
        ),
        ({"set": ["b", "a"]}, {"set": ["a", "b", "c"]}),
        (
            {"status": {"conditions": [{"type": "Ready", "status": "True"}]}},
            {"status": {"conditions": [{"type": "Old"}, {"type": "Ready", "status": "True"}]}},
        ),
    ],
)
def test_what_stands_there_already_is_seen(body: kube.JSON, known: kube.JSON) -> None:
    assert writer.is_subset(body, known, MERGED_LISTS)


@pytest.mark.parametrize(
    ("body", "known"),
    [
        ({"a": 1}, {}),
        ({"a": 1}, {"a": True}),
        ({"a": True}, {"a": 1}),
        ({"a": {}}, {}),
        ({"a": {"b": 1}}, {"a": [1]}),
        ({"a": [1]}, {"a": [1, 2]}),
        ({"a": [1, 2]}, {"a": [2, 1]}),
        ({"a": [{"b": 1}]}, {"a": [{"b": 1, "c": 2}]}),
        ({"a": [True]}, {"a": [1]}),
        ({"x": {"kind": "A"}}, {"x": {"kind": "B"}}),
        ({"list": [{"name": "a", "x": 1}]}, {"list": [{"name": "b", "x": 1}]}),
        ({"list": [{"name": "a", "x": 1}]}, {"list": [{"name": "a", "x": 2}]}),
        ({"list": [{"name": "a"}]}, {"list": {"name": "a"}}),
        ({"list": [{"name": "a"}]}, {"list": ["name"]}),
        ({"set": ["a"]}, {"set": ["b"]}),
        ({"set": ["a"]}, {}),
    ],
)
def test_what_is_not_there_is_missed(body: kube.JSON, known: kube.JSON) -> None:
    assert not writer.is_subset(body, known, MERGED_LISTS)


LEAVES = strategies.one_of(
    strategies.integers(0, 2), strategies.booleans(), strategies.sampled_from("ab")
)
OBJECTS = strategies.dictionaries(
    strategies.sampled_from("pqrs"),
    strategies.recursive(
        LEAVES,
        lambda inner: strategies.one_of(
            strategies.dictionaries(strategies.sampled_from("pqrs"), inner, max_size=3),
            strategies.lists(inner, max_size=3),
        ),
        max_leaves=8,
    ),
)


def merged(body: Any, more: Any) -> Any:
    """The body, with additional fields in its mappings."""
    if not isinstance(body, dict) or not isinstance(more, dict):
        return body
    return {**more, **{name: merged(value, more.get(name)) for name, value in body.items()}}


@hypothesis.given(OBJECTS, OBJECTS)
def test_difference_is_what_a_merge_would_change(body: kube.JSON, known: kube.JSON) -> None:
    after = merged(body, known)

    assert writer.is_subset(body, after)
    # As text, since true is 1 in Python.
    is_same = json.dumps(after, sort_keys=True) == json.dumps(known, sort_keys=True)
    assert is_same == writer.is_subset(body, known)


@pytest.mark.parametrize(
    ("fields", "body", "known", "expected"),
    [
        ({"f:a": {}}, {"a": 1}, {"a": 1, "b": 2}, True),
        ({"f:a": {}}, {"a": 1}, {"a": 2}, False),
        ({"f:a": {}, "f:b": {}}, {"a": 1}, {"a": 1, "b": 2}, False),
        ({"f:a": {}}, {"a": 1, "b": 2}, {"a": 1, "b": 2}, False),
        (None, {"a": 1}, {"a": 1}, False),
        ({"f:a": {".": {}, "f:b": {}}}, {"a": {"b": 1}}, {"a": {"b": 1, "c": 2}}, True),
        # A leaf is replaced as a whole, a mapping or list as well.
        ({"f:a": {}}, {"a": {"b": 1}}, {"a": {"b": 1, "c": 2}}, False),
        ({"f:a": {}}, {"a": {"b": 1}}, {"a": {"b": 1}}, True),
        ({"f:a": {}}, {"a": {}}, {"a": {"b": 1}}, True),
        ({"f:a": {}}, {"a": []}, {"a": []}, True),
        ({"f:a": {}}, {"a": []}, {"a": [1]}, False),
        ({"f:a": {}}, {"a": [1]}, {"a": [1, 2]}, False),
        # Nulls and empty lists may be owned or not.
        ({"f:b": {}}, {"a": None, "b": 1, "c": [], "d": {"e": []}}, {"b": 1}, True),
        ({"f:b": {}}, {"b": 1, "c": []}, {"b": 1, "c": [1]}, False),
        ({}, {}, {"a": 1}, True),
        ({"f:a": {}}, {"a": None}, {"a": None}, True),
        (
            {"f:l": {'k:{"n":"x"}': {".": {}, "f:n": {}, "f:v": {}}}},
            {"l": [{"n": "x", "v": 1}]},
            {"l": [{"n": "y"}, {"n": "x", "v": 1, "w": 2}]},
            True,
        ),
        (
            {"f:l": {'k:{"n":"x"}': {".": {}, "f:n": {}}, 'k:{"n":"y"}': {".": {}, "f:n": {}}}},
            {"l": [{"n": "x"}]},
            {"l": [{"n": "x"}, {"n": "y"}]},
            False,
        ),
        (
            {"f:l": {'k:{"n":"x","p":"TCP"}': {".": {}, "f:n": {}}}},
            {"l": [{"n": "x"}]},
            {"l": [{"n": "x", "p": "TCP"}]},
            True,
        ),
        ({"f:l": {'v:"x"': {}}}, {"l": ["x"]}, {"l": ["y", "x"]}, True),
        ({"f:l": {'v:"x"': {}}}, {"l": ["x"]}, {"l": ["y"]}, False),
        ({"f:l": {'v:"x"': {}}}, {"l": ["x", "y"]}, {"l": ["x", "y"]}, False),
        ({"f:a": {"f:b": {}}}, {"a": 1}, {"a": 1}, False),
        ({"f:a": {"f:b": {}}}, {"a": {"b": 1}}, {"a": 1}, False),
        ({"f:a": {"f:b": {}}}, {"a": {"b": False}}, {}, True),
        ({"f:l": {'k:{"n":"x"}': {}}}, {"l": [{"n": "x"}]}, {"l": ["x", 1]}, False),
        ({"f:l": {'k:{"n":"x"}': {}}}, {"l": ["x"]}, {"l": [{"n": "x"}]}, False),
        ({"f:l": {'k:{"n":"x"}': {}}}, {"l": [{"n": "x"}]}, {"l": 1}, False),
    ],
)
def test_ownership_shows_what_applying_would_change(
    fields: kube.JSON | None, body: kube.JSON, known: kube.JSON, *, expected: bool
) -> None:
    assert expected == writer.is_fully_owned(fields, body, known)


def entry(manager: str = "m", operation: str = "Apply", **more: str) -> kube.JSON:
    fields: kube.JSON = {"fieldsV1": {f"f:{manager}-{operation}": {}}}
    return {"manager": manager, "operation": operation, "apiVersion": "x/v1", **fields, **more}


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([], None),
        ([entry("other"), entry(), entry(operation="Update")], {"f:m-Apply": {}}),
        ([entry(operation="Update")], {}),
        ([entry(subresource="status")], {}),
        ([entry(apiVersion="x/v2")], {}),
    ],
)
def test_only_what_the_manager_applied_counts_as_its_own(
    entries: list[kube.JSON], expected: kube.JSON | None
) -> None:
    known = {"metadata": {"managedFields": entries}}

    assert expected == writer.applied_fields(known, "m", "x/v1", None)


def config_map(namespace: str, *, name: str = "x", **data: str) -> kube.JSON:
    return {"metadata": {"name": name, "namespace": namespace}, "data": data}


def stripped(known: kube.JSON | None) -> kube.JSON:
    """The object as in a cache without managedFields."""
    assert known is not None
    metadata = {k: v for k, v in known["metadata"].items() if k != "managedFields"}
    return {**known, "metadata": metadata}


class Applying:
    """A writer and the last stored object."""

    def __init__(
        self, client: kube.Client, namespace: str, *, strips: bool, **options: Any
    ) -> None:
        self.writer = kube.Writer(client, "m", **options)
        self._client, self._namespace, self._strips = client, namespace, strips
        self.known: kube.JSON | None = None

    async def has_written(
        self, body: kube.JSON, resource: kube.Resource = kube.CONFIG_MAPS
    ) -> bool:
        """Apply; return whether that was a write."""
        stored = await self.writer.apply(resource, body, known=self.known)
        self.known = stored or self.known
        if self._strips:
            self.known = stripped(self.known)
        return stored is not None

    async def see(self) -> kube.JSON:
        """Observe the changes of others."""
        found = await self._client.get(kube.CONFIG_MAPS, "x", namespace=self._namespace)
        self.known = stripped(found) if self._strips else found
        return self.known


@pytest.fixture(params=[False, True], ids=["whole", "stripped"])
def applying(client: kube.Client, namespace: str, request: pytest.FixtureRequest) -> Applying:
    return Applying(client, namespace, strips=request.param)


@pytest.mark.e2e
async def test_what_is_applied_again_is_not_written(applying: Applying, namespace: str) -> None:
    bodies = [config_map(namespace, **data) for data in ({"a": "1"}, {"a": "1"}, {"a": "2"})]

    written = [await applying.has_written(body) for body in bodies]

    assert [True, False, True] == written
    assert {"a": "2"} == (await applying.see())["data"]


@pytest.mark.e2e
async def test_body_for_just_the_version_that_is_known_is_compared_as_any_other(
    applying: Applying, namespace: str
) -> None:
    await applying.has_written(config_map(namespace, a="1"))
    written = []

    for data in ("1", "2", "2"):
        body, known = config_map(namespace, a=data), await applying.see()
        for name in ("uid", "resourceVersion"):
            body["metadata"][name] = known["metadata"][name]
        written.append(await applying.has_written(body))

    assert [False, True, False] == written


@pytest.mark.e2e
async def test_field_that_is_applied_no_more_is_a_difference(
    applying: Applying, namespace: str
) -> None:
    await applying.has_written(config_map(namespace, a="1", b="2"))

    written = [await applying.has_written(config_map(namespace, a="1")) for _ in range(2)]

    assert [True, False] == written
    assert {"a": "1"} == (await applying.see())["data"]


@pytest.mark.e2e
async def test_what_others_change_of_it_is_put_right_and_what_they_add_is_left(
    applying: Applying, client: kube.Client, namespace: str
) -> None:
    body = config_map(namespace, a="1")
    await applying.has_written(body)
    written = []

    for data in ({"b": "2"}, {"a": "9"}, {"a": None}):
        await client.patch(kube.CONFIG_MAPS, "x", {"data": data}, namespace=namespace)
        await applying.see()
        written.append(await applying.has_written(body))

    assert [False, True, True] == written
    assert {"a": "1", "b": "2"} == (await applying.see())["data"]


@pytest.mark.e2e
async def test_object_that_was_made_anew_is_written_to(
    applying: Applying, client: kube.Client, namespace: str
) -> None:
    """Although all of it exists: no other manager may remove it unnoticed."""
    body = config_map(namespace, a="1")
    await applying.has_written(body)
    await client.delete(kube.CONFIG_MAPS, "x", namespace=namespace)
    await client.create(kube.CONFIG_MAPS, body)
    await applying.see()

    written = [await applying.has_written(body) for _ in range(2)]

    assert [True, False] == written


@pytest.mark.e2e
@pytest.mark.parametrize(("strips", "expected"), [(False, [False, False]), (True, [True, False])])
async def test_writer_that_starts_anew_trusts_managed_fields_only(
    client: kube.Client, namespace: str, *, strips: bool, expected: list[bool]
) -> None:
    """Without them the writer does not know what its predecessor applied, and writes once."""
    body = config_map(namespace, a="1")
    before = Applying(client, namespace, strips=strips)
    await before.has_written(body)
    after = Applying(client, namespace, strips=strips)
    await after.see()

    assert expected == [await after.has_written(body) for _ in range(2)]


@pytest.mark.e2e
async def test_body_without_fields_only_makes_the_object(
    client: kube.Client, namespace: str
) -> None:
    applying = Applying(client, namespace, strips=False)
    body = {"metadata": {"name": "x", "namespace": namespace}}
    made = [await applying.has_written(body) for _ in range(2)]
    await client.delete(kube.CONFIG_MAPS, "x", namespace=namespace)
    await client.create(kube.CONFIG_MAPS, config_map(namespace, a="1"))
    await applying.see()

    found = await applying.has_written(body)

    assert ([True, False], False) == (made, found)


@pytest.mark.e2e
async def test_body_for_another_object_of_that_name_is_for_the_api_server_to_refuse(
    applying: Applying, namespace: str
) -> None:
    body = config_map(namespace, a="1")
    await applying.has_written(body)
    body["metadata"]["uid"] = "another"

    with pytest.raises(kube.InvalidError, match="field is immutable"):
        await applying.has_written(body)


@pytest.mark.e2e
async def test_bodies_of_too_many_objects_are_forgotten(
    client: kube.Client, namespace: str
) -> None:
    applying = Applying(client, namespace, strips=True, max_remembered=1)
    await applying.has_written(config_map(namespace, a="1"))
    first = applying.known
    await applying.has_written(config_map(namespace, name="y", a="1"))
    applying.known = first

    assert await applying.has_written(config_map(namespace, a="1"))


@pytest.mark.e2e
async def test_write_that_may_have_landed_is_not_trusted(
    client: kube.Client, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its response was lost: what was applied before is not what is applied now."""
    applying = Applying(client, namespace, strips=True)
    await applying.has_written(config_map(namespace, a="1"))
    apply = client.apply

    async def lose(*arguments: Any, **options: Any) -> kube.JSON:
        await apply(*arguments, **options)
        raise kube.UnreachableError("it closed the connection without an answer")

    with monkeypatch.context() as patched:
        patched.setattr(client, "apply", lose)
        with pytest.raises(kube.UnreachableError):
            await applying.has_written(config_map(namespace, a="1", b="2"))
    await applying.see()

    assert await applying.has_written(config_map(namespace, a="1"))
    assert {"a": "1"} == (await applying.see())["data"]


@pytest.mark.e2e
async def test_fields_of_another_manager_are_taken_unless_that_is_not_wanted(
    client: kube.Client, namespace: str
) -> None:
    body = config_map(namespace, a="1")
    await client.apply(kube.CONFIG_MAPS, config_map(namespace, a="2"), field_manager="other")

    with pytest.raises(kube.ConflictError, match='conflict with "other"'):
        await kube.Writer(client, "m", force=False).apply(kube.CONFIG_MAPS, body)
    stored = await kube.Writer(client, "m").apply(kube.CONFIG_MAPS, body)

    assert stored is not None
    assert {"a": "1"} == stored["data"]


@pytest.mark.e2e
async def test_dry_run_writes_nothing_and_remembers_nothing(
    client: kube.Client, namespace: str
) -> None:
    applying = Applying(client, namespace, strips=True)
    await applying.has_written(config_map(namespace, a="1", b="2"))
    dry = kube.Writer(client, "m", dry_run=True)

    answers = [
        await dry.apply(kube.CONFIG_MAPS, config_map(namespace, a="1"), known=applying.known)
        for _ in range(2)
    ]

    assert [{"a": "1"}] * 2 == [each and each["data"] for each in answers]
    assert {"a": "1", "b": "2"} == (await applying.see())["data"]


@pytest.mark.e2e
async def test_status_is_applied_apart(
    client: kube.Client, things: kube.Resource, namespace: str
) -> None:
    named = {"metadata": {"name": "x", "namespace": namespace}}
    found = kube.Writer(client, "m")
    made = await found.apply(things, {**named, "spec": {"size": 1}})
    body = {**named, "status": {"phase": "Seen"}}

    stored = await found.apply(things, body, subresource="status", known=made)
    again = await found.apply(things, body, subresource="status", known=stored)
    spec = await found.apply(things, {**named, "spec": {"size": 1}}, known=stored)

    assert stored is not None
    assert ({"size": 1}, {"phase": "Seen"}) == (stored["spec"], stored["status"])
    assert (None, None) == (again, spec)


@pytest.mark.e2e
@pytest.mark.parametrize("strips", [False, True])
async def test_defaults_and_keyed_lists_are_no_difference(
    client: kube.Client, namespace: str, *, strips: bool
) -> None:
    """The API server adds protocol and targetPort to each port."""
    body = {
        "metadata": {"name": "x", "namespace": namespace, "finalizers": [FINALIZER]},
        "spec": {"selector": {"app": "x"}, "ports": [{"port": 80, "name": "http"}]},
    }
    merged_lists = ["spec.ports"] if strips else []
    applying = Applying(client, namespace, strips=strips, merged_lists=merged_lists)
    await applying.has_written(body, SERVICES)
    more = {"spec": {"ports": [{"port": 81, "name": "more", "protocol": "TCP"}]}}
    await client.patch(SERVICES, "x", more, kind="strategic", namespace=namespace)
    found = await client.get(SERVICES, "x", namespace=namespace)
    applying.known = stripped(found) if strips else found

    assert 2 == len(found["spec"]["ports"])
    assert not await applying.has_written(body, SERVICES)


def drawn(rng: random.Random, namespace: str) -> kube.JSON:
    """A Deployment with all kinds of lists and mappings: keyed, sets, atomic."""

    def some(**fields: list[Any]) -> kube.JSON:
        return {name: rng.choice(found) for name, found in fields.items() if rng.random() < 0.6}

    def container(name: str) -> kube.JSON:
        ports = [{"containerPort": 1}, {"containerPort": 2, "protocol": "UDP"}]
        env = [{"name": each, "value": rng.choice("12")} for each in "ab"]
        return {
            "name": name,
            "image": "x",
            **some(args=[["a"], ["b", "a"], []], ports=[ports, ports[:1], []]),
            **some(env=[env, env[:1], []], resources=[{"limits": {"cpu": "1"}}, {}]),
        }

    names = [["main"], ["main", "side"], ["side", "main"]]
    metadata = some(
        labels=[{"a": "1"}, {"a": "2", "b": "1"}, {}],
        annotations=[{"x.dev/a": "1"}, {}],
        # Not empty: whether others' items stay is not known then, and it is written.
        finalizers=[["x.dev/a"], ["x.dev/b", "x.dev/a"]],
    )
    spec = some(
        nodeSelector=[{"a": "1"}, {"a": "1", "b": "2"}, {}],
        tolerations=[[{"key": "a"}], []],
        priority=[None],
    )
    return {
        "metadata": {"name": "x", "namespace": namespace, **metadata},
        "spec": {
            **some(replicas=[1, 2], paused=[True, False], minReadySeconds=[None]),
            "selector": {"matchLabels": {"app": "x"}},
            "template": {
                "metadata": {"labels": {"app": "x", **some(b=["1", "2"])}},
                "spec": {**spec, "containers": [container(n) for n in rng.choice(names)]},
            },
        },
    }


def dense(value: Any) -> Any:
    """Without empty or false values, which built-in kinds omit: only managedFields reveal them."""
    if isinstance(value, list):
        return [dense(inner) for inner in value]
    if isinstance(value, dict):
        return {name: dense(inner) for name, inner in value.items() if inner}
    return value


CONTAINERS = "spec.template.spec.containers"
DEPLOYMENT_LISTS = [CONTAINERS, f"{CONTAINERS}.env", f"{CONTAINERS}.ports"]
FOREIGN: list[kube.JSON] = [
    {"metadata": {"labels": {"a": "9"}}},
    {"metadata": {"labels": {"z": "9"}, "finalizers": ["x.dev/z"]}},
    {"spec": {"replicas": 9}},
    {"spec": {"template": {"spec": {"nodeSelector": {"z": "9"}}}}},
    {"spec": {"template": {"spec": {"containers": [{"name": "main", "args": ["z"]}]}}}},
    {"spec": {"template": {"spec": {"containers": [{"name": "z", "image": "z"}]}}}},
]


@pytest.mark.e2e
@pytest.mark.parametrize("strips", [False, True])
@pytest.mark.parametrize("seed", range(3))
async def test_nothing_is_written_only_where_applying_would_change_nothing(
    client: kube.Client, namespace: str, seed: int, *, strips: bool
) -> None:
    """Asked is the API server: applied in any case, the object keeps its resourceVersion.

    With managedFields, all such writes are spared.
    """
    rng = random.Random(seed)  # noqa: S311 - any will do
    found = kube.Writer(client, "m", merged_lists=DEPLOYMENT_LISTS)
    # That a mapping is replaced as a whole only managedFields tell.
    foreign = [each for each in FOREIGN if not strips or "nodeSelector" not in str(each)]
    draw = (lambda: dense(drawn(rng, namespace))) if strips else (lambda: drawn(rng, namespace))
    body = draw()
    known = await found.apply(DEPLOYMENTS, body)
    assert known is not None
    verdicts = []

    for _ in range(40):
        if rng.random() < 0.4:
            body = draw()
        if rng.random() < 0.3:
            known = await client.patch(
                DEPLOYMENTS, "x", rng.choice(foreign), kind="strategic", namespace=namespace
            )
        seen = stripped(known) if strips else known
        stored = await found.apply(DEPLOYMENTS, copy.deepcopy(body), known=seen)
        applied = stored or await client.apply(DEPLOYMENTS, body, field_manager="m", force=True)
        is_changed = applied["metadata"]["resourceVersion"] != known["metadata"]["resourceVersion"]
        verdicts.append((is_changed, stored is not None, seen, body))
        known = applied

    for is_changed, is_written, seen, wanted in verdicts:
        assert is_changed == is_written or (strips and is_written), (seen, wanted)
    assert {True, False} == {is_written for _, is_written, *_ in verdicts}


@pytest.fixture
async def made(client: kube.Client, namespace: str) -> kube.JSON:
    return await client.create(kube.CONFIG_MAPS, config_map(namespace, a="1"))


@pytest.mark.e2e
async def test_finalizer_is_added_and_removed_once(
    client: kube.Client, namespace: str, made: kube.JSON
) -> None:
    found, key = kube.Writer(client, "m"), kube.Key(namespace, "x")

    added = await found.add_finalizer(kube.CONFIG_MAPS, key, FINALIZER, made)
    again = await found.add_finalizer(kube.CONFIG_MAPS, key, FINALIZER, added)
    unread = await found.add_finalizer(kube.CONFIG_MAPS, key, FINALIZER)
    removed = await found.remove_finalizer(kube.CONFIG_MAPS, key, FINALIZER, added)
    twice = await found.remove_finalizer(kube.CONFIG_MAPS, key, FINALIZER, removed)

    assert added is not None
    assert removed is not None
    assert [FINALIZER] == added["metadata"]["finalizers"]
    assert (None, None, None) == (again, unread, twice)
    assert "finalizers" not in removed["metadata"]
    assert {"a": "1"} == removed["data"]


@pytest.mark.e2e
async def test_finalizers_of_others_that_came_meanwhile_stay(
    client: kube.Client, namespace: str, made: kube.JSON
) -> None:
    """From a single stale copy: the first adds to an empty list, the next two to a changed one."""
    found, key = kube.Writer(client, "m"), kube.Key(namespace, "x")
    names = [f"kubewright.dev/{each}" for each in "abc"]

    one = await found.add_finalizer(kube.CONFIG_MAPS, key, names[0], made)
    await found.add_finalizer(kube.CONFIG_MAPS, key, names[1], made)
    await found.add_finalizer(kube.CONFIG_MAPS, key, names[2], one)
    left = await found.remove_finalizer(kube.CONFIG_MAPS, key, names[0], one)

    assert left is not None
    assert names[1:] == left["metadata"]["finalizers"]


@pytest.mark.e2e
async def test_change_of_anything_else_costs_no_second_attempt(
    client: kube.Client, namespace: str, made: kube.JSON, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, key = kube.Writer(client, "m"), kube.Key(namespace, "x")
    stale = await found.add_finalizer(kube.CONFIG_MAPS, key, "kubewright.dev/other", made)
    await client.patch(kube.CONFIG_MAPS, "x", {"data": {"a": "2"}}, namespace=namespace)

    async def never(*_: Any, **__: Any) -> kube.JSON:
        raise AssertionError("read again")

    monkeypatch.setattr(client, "get", never)

    stored = await found.add_finalizer(kube.CONFIG_MAPS, key, FINALIZER, stale)

    assert stored is not None
    assert ["kubewright.dev/other", FINALIZER] == stored["metadata"]["finalizers"]


@pytest.mark.e2e
async def test_finalizer_of_an_object_that_is_gone(
    client: kube.Client, namespace: str, made: kube.JSON
) -> None:
    found, key = kube.Writer(client, "m"), kube.Key(namespace, "x")
    finalized = await found.add_finalizer(kube.CONFIG_MAPS, key, FINALIZER, made)
    await found.remove_finalizer(kube.CONFIG_MAPS, key, FINALIZER, finalized)
    await client.delete(kube.CONFIG_MAPS, "x", namespace=namespace)

    for known in (finalized, None):
        assert await found.remove_finalizer(kube.CONFIG_MAPS, key, FINALIZER, known) is None
    for known in (made, None):
        with pytest.raises(kube.NotFoundError):
            await found.add_finalizer(kube.CONFIG_MAPS, key, FINALIZER, known)


@pytest.mark.e2e
async def test_finalizer_of_an_object_made_anew_is_not_touched(
    client: kube.Client, namespace: str, made: kube.JSON
) -> None:
    found, key = kube.Writer(client, "m"), kube.Key(namespace, "x")
    before = {**made, "metadata": {**made["metadata"], "finalizers": [FINALIZER]}}
    await client.delete(kube.CONFIG_MAPS, "x", namespace=namespace)
    anew = config_map(namespace)
    anew["metadata"]["finalizers"] = [FINALIZER]
    fresh = await client.create(kube.CONFIG_MAPS, anew)

    assert await found.remove_finalizer(kube.CONFIG_MAPS, key, FINALIZER, before) is None
    with pytest.raises(kube.NotFoundError, match="was deleted and recreated"):
        await found.add_finalizer(kube.CONFIG_MAPS, key, "kubewright.dev/more", before)

    assert fresh == await client.get(kube.CONFIG_MAPS, "x", namespace=namespace)


@pytest.mark.e2e
async def test_finalizer_is_refused_for_what_is_being_deleted(
    client: kube.Client, namespace: str, made: kube.JSON
) -> None:
    found, key = kube.Writer(client, "m"), kube.Key(namespace, "x")
    await found.add_finalizer(kube.CONFIG_MAPS, key, FINALIZER, made)
    await client.delete(kube.CONFIG_MAPS, "x", namespace=namespace)

    with pytest.raises(kube.InvalidError, match="no new finalizers can be added"):
        await found.add_finalizer(kube.CONFIG_MAPS, key, "kubewright.dev/more")
    await found.remove_finalizer(kube.CONFIG_MAPS, key, FINALIZER)

    with pytest.raises(kube.NotFoundError):
        await client.get(kube.CONFIG_MAPS, "x", namespace=namespace)
