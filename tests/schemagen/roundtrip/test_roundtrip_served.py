"""The trial on a real API server: requests, counts, and results."""

import contextlib
import itertools
import random
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from schemagen import Api, Kind
from schemagen.differential import servers
from schemagen.roundtrip import (
    Change,
    Edit,
    Tally,
    Trial,
    real_server,
    report,
    requests,
    simulated_server,
)
from schemagen.roundtrip.changes import Action
from schemagen.roundtrip.views import Views
from schemagen.versions.converter import Converter
from schemagen.versions.residue import storage
from tests.support import harbor

BERTH, BUOY = harbor.api
NODE = Views(harbor.api, BERTH).node("v2")


def berth(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "harbor.example.net/v2",
        "kind": "Berth",
        "metadata": {"name": "one", "namespace": "here", "resourceVersion": "7"},
        "spec": spec,
    }


class Server:
    """An in-memory API server that counts requests."""

    namespace = "here"

    def __init__(self, *, forgets: bool = False, refuses: bool = False) -> None:
        self._forgets, self._refuses = forgets, refuses
        self._objects: dict[str, simulated_server.Cluster] = {}
        self._numbers = itertools.count()
        self.asked: dict[str, int] = {}
        self.managers: set[str] = set()
        self.refused = 0

    def new_name(self) -> str:
        return f"drawn-{next(self._numbers)}"

    def send(self, request: requests.Request) -> simulated_server.Value:
        try:
            return self._answer(request)
        except simulated_server.RefusedError:
            self.refused += 1
            raise

    def _answer(self, request: requests.Request) -> simulated_server.Value:
        self.asked[request.verb] = self.asked.get(request.verb, 0) + 1
        self.managers.add(request.manager)
        if request.verb == "create":
            return self._create(request)
        cluster = self._objects[request.name]
        if request.verb != "get":
            read = cluster.read(request.version)
            value = self._value(request, read)
            method = "replace" if request.verb == "replace" else "a patch"
            if request.is_status:
                cluster.write_status(request.version, value)
            else:
                cluster.write(request.version, value, method=method)
        return cluster.read(request.version)

    def _create(self, request: requests.Request) -> simulated_server.Value:
        if self._refuses:
            raise simulated_server.RefusedError("no")
        api, kind = request.api, request.kind
        views, converter = Views(api, kind), Converter(api)

        def convert(value: Any, source: str, target: str) -> Any:
            converted = converter.way(kind, source, target).plain(value)
            return _without_annotations(converted) if self._forgets else converted

        def admit(value: Any, old: Any, is_replacement: bool, /) -> Any:  # noqa: FBT001
            return storage.with_residue(api, kind, value, old, is_replacement=is_replacement)

        cluster = simulated_server.Cluster(views, convert, admit, kind.storage.name)
        self._objects[request.name] = cluster
        created = {key: item for key, item in request.body.items() if key != "status"}
        cluster.create(request.version, created)
        return cluster.read(request.version)

    @staticmethod
    def _value(request: requests.Request, read: simulated_server.Value) -> Any:
        if request.verb == "merge patch":
            return _merged(read, request.body)
        if request.verb == "server-side apply":
            node = Views(request.api, request.kind).node(request.version)
            return _applied(read, request.body, node)
        return request.body


def _without_annotations(value: dict[str, Any]) -> dict[str, Any]:
    return value | {"metadata": {key: one for key, one in value["metadata"].items()
                                 if key != "annotations"}}  # fmt: skip


def _merged(value: Any, patch: Any) -> Any:
    """RFC 7386, section 2."""
    if not isinstance(patch, dict):
        return patch
    found = dict(value) if isinstance(value, dict) else {}
    for name, one in patch.items():
        if one is None:
            found.pop(name, None)
        else:
            found[name] = _merged(found.get(name), one)
    return found


def _applied(value: Any, wanted: Any, node: Any) -> Any:
    """Return what structured-merge-diff makes of an object and an applied configuration."""
    if isinstance(value, dict) and isinstance(wanted, dict):
        child = {name: node and node.properties.get(name, node.values) for name in wanted}
        merged = {name: _applied(value.get(name), one, child[name]) for name, one in wanted.items()}
        return {**value, **merged}
    if isinstance(value, list) and isinstance(wanted, list) and node.list_type == "set":
        return [*value, *(one for one in wanted if one not in value)]
    if isinstance(value, list) and isinstance(wanted, list) and node.list_type == "map":
        return _applied_items(value, wanted, node)
    return wanted


def _applied_items(value: list[Any], wanted: list[Any], node: Any) -> list[Any]:
    def key(item: Any) -> list[Any]:
        return [item.get(name) for name in node.list_keys]

    news = {str(key(item)): item for item in wanted}
    kept = [
        _applied(item, news.pop(str(key(item))), node.items) if str(key(item)) in news else item
        for item in value
    ]
    return [*kept, *news.values()]


def tally_of(server: Server, kind: Kind = BERTH, *, trips: int = 150, seed: int = 1) -> Tally:
    tally = Tally()
    trial = Trial(harbor.api, kind, seed=seed, server=server)
    for _ in itertools.islice(trial.run(trips, tally), trips):
        pass
    return tally


@pytest.mark.parametrize("kind", [BERTH, BUOY], ids=lambda kind: kind.name)
def test_lossless_server_is_tested_with_every_method(kind: Kind) -> None:
    server = Server()

    tally = tally_of(server, kind)

    assert (0, 0, []) == (tally.losses, tally.broken, tally.shown)
    assert {"get", "create", *requests.METHODS} == server.asked.keys()
    assert tally.trips >= 150
    assert server.refused == tally.refused + tally.refused_changes


def test_each_write_of_an_object_has_its_own_field_manager() -> None:
    server = Server()

    tally_of(server)

    assert {"roundtrip-1", "roundtrip-2"} <= server.managers


def test_server_that_forgets_residue_is_found_with_a_minimal_object() -> None:
    tally = tally_of(Server(forgets=True))

    assert tally.losses > 0
    case, loss = tally.shown[0]
    assert "v2" == case.storage
    assert loss.what in {"lost", "not stored as written"}
    told = "\n".join(report.lines({"Berth": tally}, "here"))
    assert f"Berth: {loss.what} in {loss.version}\n" in told


def test_what_the_server_refuses_is_counted_and_ends_the_run() -> None:
    tally = tally_of(Server(refuses=True), trips=7)

    assert (7, 7, 0, 0) == (tally.objects, tally.refused, tally.trips, tally.losses)
    assert "; refused: 7 objects, 0 changes" in "\n".join(report.lines({"Berth": tally}, "here"))


def test_lost_server_ends_the_run() -> None:
    class Gone(Server):
        def send(self, request: requests.Request) -> simulated_server.Value:
            raise real_server.LostServerError(request.name)

    with pytest.raises(real_server.LostServerError, match="drawn-0"):
        tally_of(Gone())


def test_a_server_that_cannot_be_opened_is_named_with_its_reason() -> None:
    @contextlib.contextmanager
    def opens(apis: Sequence[Api]) -> Iterator[real_server.Server]:
        if apis:
            raise OSError("no etcd")
        yield Server()

    with pytest.raises(servers.NoServerError) as caught:
        report.run_served([harbor.api], [], report.Opener("embedded", opens), title="here")

    assert "expected to open the API server of --server embedded, got an error: no etcd" == str(
        caught.value
    )


def test_an_unknown_server_is_refused_with_those_there_are() -> None:
    assert report.opener("none") is None
    with pytest.raises(servers.NoServerError) as caught:
        report.opener("far")

    expected = "expected --server to be one of embedded, kubeconfig, none, got far"
    assert expected == str(caught.value)


def change(action: Action = "spec", **more: Any) -> Change:
    return Change(action=action, version="v1", **more)


@pytest.mark.parametrize(
    ("drawn", "methods"),
    [
        (change(), {*requests.METHODS}),
        (change("status"), {*requests.METHODS}),
        (change(by="v2"), {"server-side apply"}),
        (change(replaces=True), {"replace"}),
    ],
)
def test_how_a_change_is_sent(drawn: Change, methods: set[str]) -> None:
    source = random.Random(0)  # noqa: S311 - no secret

    sent = [real_server.sent(drawn, source) for _ in range(100)]

    assert methods == {one.method for one in sent}
    assert {""} == {one.by for one in sent}


def test_change_describes_its_request() -> None:
    edits = (Edit(("spec", "limit"), "a"),)

    assert "written in v1, set spec.limit to 'a'" == str(change(edits=edits))
    sent = change(edits=edits, method="merge patch")
    assert "written in v1, set spec.limit to 'a', by merge patch" == str(sent)


def test_a_merge_patch_has_what_differs_and_null_for_what_is_removed() -> None:
    read = berth(limit="a", size={"replicas": 1, "burst": 2}, groups=["x"])
    value = berth(size={"replicas": 3, "burst": 2}, groups=["x", "y"], mode="Fast")

    patch = requests.merge_patch(read, value)

    expected = {"limit": None, "size": {"replicas": 3}, "groups": ["x", "y"], "mode": "Fast"}
    assert {"spec": expected} == patch
    assert value == _merged(read, patch)


@pytest.mark.parametrize("null", [None, {"a": None}, {"a": {"b": None}}])
def test_a_merge_patch_cannot_write_null(null: Any) -> None:
    with pytest.raises(requests.UnsayableError):
        requests.merge_patch(berth(settings={}), berth(settings=null))


def test_a_configuration_has_what_is_set_with_the_keys_on_the_way() -> None:
    ports: list[dict[str, Any]] = [
        {"name": "a", "protocol": "TCP", "number": 1},
        {"name": "b", "protocol": "UDP"},
    ]
    read = berth(ports=ports, tags=[{"name": "x"}], groups=["q"])
    value = berth(
        ports=[{**ports[0], "number": 2}, ports[1]],
        tags=[{"name": "x"}, {"name": "y", "value": "1"}],
        groups=["q", "r"],
        limit=3,
    )

    found = requests.configuration(read, value, NODE)

    assert found == {
        "apiVersion": "harbor.example.net/v2",
        "kind": "Berth",
        "metadata": {"name": "one", "namespace": "here"},
        "spec": {
            "ports": [{"name": "a", "protocol": "TCP", "number": 2}],
            "tags": [{"name": "y", "value": "1"}],
            "groups": ["r"],
            "limit": 3,
        },
    }
    assert value == _applied(read, found, NODE)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"limit": "a"}, {}),
        ({"tags": [{"name": "x"}, {"name": "y"}]}, {"tags": [{"name": "y"}, {"name": "x"}]}),
        ({"tags": [{"name": "x"}]}, {"tags": [{"name": "y"}, {"name": "x"}]}),
        ({"tags": [{"name": "x"}]}, {"tags": []}),
        ({"labels": {"a": "b"}}, {"labels": {}}),
        ({"limit": 1}, {"limit": None}),
    ],
)
def test_a_configuration_cannot_remove_or_rearrange(before: Any, after: Any) -> None:
    with pytest.raises(requests.UnsayableError):
        requests.configuration(berth(**before), berth(**after), NODE)


def test_a_served_object_cannot_be_found_in_etcd_or_stored_otherwise() -> None:
    cluster = real_server.Cluster(Views(harbor.api, BERTH), Server())

    with pytest.raises(simulated_server.RefusedError, match="not found in etcd"):
        cluster.place("v2", berth())
    with pytest.raises(simulated_server.RefusedError, match="storage version, got v1"):
        cluster.store_as("v1")
    with pytest.raises(simulated_server.RefusedError, match="an object of v1, got one of v2"):
        cluster.converted(berth(), "v2", "v1")
