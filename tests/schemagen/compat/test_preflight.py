"""``schemagen preflight``: what an upgrade does to live objects, read page by page."""

import asyncio
import contextlib
import copy
import json
import pathlib
import random
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from typer.testing import CliRunner, Result

from schemagen import judge, yaml
from schemagen.cli import commands
from schemagen.compat import clusters, sources
from schemagen.compat.preflight import live, preflight, writes

pytestmark = pytest.mark.slow

CRD = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget, listKind: WidgetList}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties:
              size: {type: integer}
              color: {type: string}
              note: {type: string}
          status:
            type: object
            properties:
              count: {type: integer}
"""
LIVE: Any = next(iter(yaml.load_all(CRD.encode()))) | {"status": {"storedVersions": ["v1"]}}


def changed(change: Callable[[Any], object], definition: Any = LIVE) -> Any:
    """A copy of a CRD after a change."""
    copied = copy.deepcopy(definition)
    change(copied)
    return copied


def new(change: Callable[[Any], object] = lambda _: None, definition: Any = LIVE) -> Any:
    """A CRD to come: a change of the schema of each version of the live one."""

    def all_versions(crd: Any) -> None:
        del crd["status"]
        for version in crd["spec"]["versions"]:
            change(version["schema"]["openAPIV3Schema"]["properties"])

    return changed(all_versions, definition)


def versioned(*names: str, **options: dict[str, Any]) -> Any:
    """The live CRD with other versions of the same schema; the last one is stored."""

    def several(crd: Any) -> None:
        (version,) = crd["spec"]["versions"]
        crd["spec"]["versions"] = [
            {**copy.deepcopy(version), "name": name, "storage": name == names[-1]}
            | options.get(name, {})
            for name in names
        ]

    return changed(several)


def widget(name: str = "a", *, version: str = "v1", status: Any = None, **spec: Any) -> Any:
    metadata = {
        "name": name,
        "namespace": "default",
        "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
        "resourceVersion": "12",
        "generation": 1,
        "creationTimestamp": "2026-01-01T00:00:00Z",
    }
    value = {"apiVersion": f"example.com/{version}", "kind": "Widget", "metadata": metadata}
    return {**value, "spec": spec} | ({} if status is None else {"status": status})


def managed(value: Any, *entries: tuple[str, str, str]) -> Any:
    fields = [
        {"manager": name, "operation": "Update", "apiVersion": f"example.com/{version}"}
        | {"time": time, "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {}}}
        for name, version, time in entries
    ]
    value["metadata"]["managedFields"] = fields
    return value


class Pages:
    """A cluster with a CRD and objects, three a page; anything but GET would fail."""

    def __init__(self, crd: Any, objects: list[Any]) -> None:
        self.crd, self.objects = crd, objects
        self.paths: list[str] = []
        self.expires = False

    async def get(self, path: str, **query: str) -> Any:
        self.paths.append(path)
        if "customresourcedefinitions" in path:
            if self.crd is None:
                raise clusters.NotFoundError("expected to read it, got: not found")
            return self.crd
        version = path.split("/")[3]
        assert any(version == one["name"] for one in self.crd["spec"]["versions"])
        start = int(query.get("continue", "0").removeprefix("again-"))
        if self.expires and query.get("continue") == "3":
            raise clusters.ExpiredError("expected to go on, got: expired", "again-3")
        group = path.split("/")[2]
        items = [
            {**one, "apiVersion": f"{group}/{version}"} for one in self.objects[start : start + 3]
        ]
        rest = len(self.objects) - start - len(items)
        more = {"continue": str(start + 3), "remainingItemCount": rest} if rest > 0 else {}
        return {"metadata": more, "items": items}


@pytest.fixture
def contexts(monkeypatch: pytest.MonkeyPatch) -> dict[str | None, Pages]:
    """Clusters by context."""
    known: dict[str | None, Pages] = {}

    @contextlib.asynccontextmanager
    async def opened(context: str | None, path: object = None) -> AsyncIterator[Pages]:
        del path
        if context not in known:
            raise clusters.ClusterError(f"expected to open {context}, got: connection refused")
        yield known[context]

    monkeypatch.setattr("schemagen.differential.servers.opener", lambda *_: opened)
    return known


@pytest.fixture(autouse=True)
def folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


Check = Callable[..., Result]


@pytest.fixture
def check(contexts: dict[str | None, Pages]) -> Check:
    """Run the command for a CRD to come, a live one, and objects."""

    def run(crd: Any, known: Any, *objects: Any, arguments: tuple[str, ...] = ()) -> Result:
        contexts[None] = Pages(known, [*objects])
        pathlib.Path("new.yaml").write_text(yaml.dumps(crd))
        return CliRunner().invoke(
            commands.app, ["preflight", "new.yaml", "--jobs", "1", *arguments]
        )

    return run


def grows(properties: Any) -> None:
    rule = {"rule": "self.size > oldSelf.size", "message": "expected a larger size"}
    properties["spec"]["x-kubernetes-validations"] = [rule]


def bounded(properties: Any) -> None:
    properties["spec"]["properties"]["size"]["maximum"] = 9
    properties["status"]["properties"]["count"]["maximum"] = 9


def without_note(properties: Any) -> None:
    del properties["spec"]["properties"]["note"]


# ------------------------------------------------------------------------------------------ objects


def test_nothing_is_found_where_nothing_changes(check: Check) -> None:
    done = check(new(), LIVE, *(widget(f"w{index}", size=index) for index in range(8)))

    assert (0, "") == (done.exit_code, done.stdout)
    assert "8 objects judged: writes of 0 would be refused, 0 would lose fields\n" == done.stderr


def test_transition_rule_refuses_updates_that_change_nothing(check: Check) -> None:
    done = check(new(grows), LIVE, widget(size=1, status={"count": 1}), widget("b", size=2))

    message = "spec: Invalid value: expected a larger size; in v1, updates"
    assert [
        f"cluster:: Widget default/a: {message} that change nothing are refused (update-refused)",
        (
            f"cluster:: Widget default/a: {message} of the status that change nothing are refused "
            "(status-refused)"
        ),
        f"cluster:: Widget default/b: {message} that change nothing are refused (update-refused)",
    ] == done.stdout.splitlines()
    assert "writes of 2 would be refused" in done.stderr
    assert 1 == done.exit_code


def test_what_is_refused_now_is_not_the_upgrades_fault(check: Check) -> None:
    def grows_within(properties: Any) -> None:
        grows(properties)
        properties["status"]["x-kubernetes-validations"] = [{"rule": "self.count > oldSelf.count"}]

    done = check(new(grows_within), LIVE | {"spec": new(grows)["spec"]}, widget(size=1))

    assert [
        (
            "cluster:: warning: Widget default/a: spec: Invalid value: expected a larger size; an "
            "unchanged update is refused by the present CRD too, in v1 (refused-already)"
        )
    ] == done.stdout.splitlines()
    assert "writes of 0 would be refused" in done.stderr
    assert 0 == done.exit_code


def test_a_reason_more_is_the_upgrades_fault(check: Check) -> None:
    def grows_more(properties: Any) -> None:
        grows(properties)
        status = {"rule": "self.count > oldSelf.count", "message": "expected a larger count"}
        properties["status"]["x-kubernetes-validations"] = [status]

    live = LIVE | {"spec": new(grows)["spec"]}
    done = check(new(grows_more), live, widget(size=1, status={"count": 1}))

    assert [
        ("status", "(update-refused)"),
        ("status", "(status-refused)"),
        ("spec", "(refused-already)"),
        ("spec", "(refused-already)"),
    ] == [
        (line.split(" default/a: ")[1].split(":")[0], line.rsplit(" ", 1)[1])
        for line in done.stdout.splitlines()
    ]
    assert 1 == done.exit_code


def test_unchanged_values_may_stay_but_cannot_be_created_again(check: Check) -> None:
    done = check(new(bounded), LIVE, widget(size=10, status={"count": 10}), widget("b", size=9))

    assert [
        (
            "cluster:: warning: Widget default/a: spec.size: Invalid value: 10: spec.size in body "
            "should be less than or equal to 9; in v1, the object stays valid unchanged, but "
            "cannot be recreated (create-refused)"
        )
    ] == done.stdout.splitlines()
    assert 0 == done.exit_code


def test_fields_that_the_schema_no_longer_has_are_lost(check: Check) -> None:
    value = widget(size=1, note="x")

    done = check(new(without_note), LIVE, value)

    assert [
        (
            "cluster:: Widget default/a: spec.note: expected a field of the new schema, got none: "
            "its value is dropped, in v1 (fields-lost)"
        )
    ] == done.stdout.splitlines()
    assert "1 would lose fields" in done.stderr
    assert 1 == done.exit_code


def test_fields_of_a_refused_object_are_lost_too(check: Check) -> None:
    def both(properties: Any) -> None:
        grows(properties)
        without_note(properties)

    done = check(new(both), LIVE, widget(size=1, note="x"))

    assert ["(update-refused)", "(fields-lost)"] == [
        line.rsplit(" ", 1)[1] for line in done.stdout.splitlines()
    ]


def test_rule_becomes_a_warning_on_demand(check: Check) -> None:
    arguments = ("--warn", "fields-lost")
    done = check(new(without_note), LIVE, widget(size=1, note="x"), arguments=arguments)

    assert done.stdout.startswith("cluster:: warning: Widget default/a: spec.note: ")
    assert 0 == done.exit_code


def test_objects_beyond_the_limit_are_counted(
    check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "MAX_LISTED", 3)

    done = check(new(grows), LIVE, *(widget(f"w{index}", size=1) for index in range(10)))

    *listed, rest = done.stdout.splitlines()
    assert ["w0", "w1", "w2"] == [line.split(": ")[1].rpartition("/")[2] for line in listed]
    assert rest.endswith("expected no such object, got 7 more than the 3 listed (update-refused)")
    assert "10 objects judged: writes of 10 would be refused" in done.stderr


# ----------------------------------------------------------------------------------------- versions


def test_every_version_is_listed_and_judged(
    check: Check, contexts: dict[str | None, Pages]
) -> None:
    known = versioned("v1beta1", "v1")
    del known["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"][
        "properties"
    ]["note"]

    done = check(new(bounded, known), known, widget(size=10), widget("b", size=1))

    assert ["v1, v1beta1"] == [
        line.partition("; in ")[2].partition(", the")[0] for line in done.stdout.splitlines()
    ]
    listed = [path for path in contexts[None].paths if "widgets" in path.rpartition("/")[2]]
    assert [
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.com",
        "/apis/example.com/v1/widgets",
        "/apis/example.com/v1beta1/widgets",
    ] == sorted(listed)


def test_versions_of_one_schema_are_listed_once(
    check: Check, contexts: dict[str | None, Pages]
) -> None:
    known = versioned("v1beta1", "v1")

    done = check(new(grows, known), known, widget(size=10))

    assert "; in v1beta1, v1, updates that" in done.stdout
    assert ["/apis/example.com/v1/widgets"] == contexts[None].paths[1:]


def test_new_version_is_judged_by_what_is_stored(check: Check) -> None:
    crd = new(grows, versioned("v1", "v2"))

    done = check(crd, LIVE, widget(size=10))

    assert "; in v1, v2, updates that change nothing" in done.stdout


def test_new_version_of_a_webhook_is_not_judged(check: Check) -> None:
    crd = new(definition=versioned("v1", "v2"))
    client = {"url": "https://a.example/"}
    webhook = {"conversionReviewVersions": ["v1"], "clientConfig": client}
    crd["spec"]["conversion"] = {"strategy": "Webhook", "webhook": webhook}

    done = check(crd, LIVE, widget(size=10))

    assert [
        (
            "new.yaml:4: warning: widgets.example.com: expected v2 to be served by the cluster or "
            "converted without a webhook, got neither: objects are not judged in it (not-judged)"
        )
    ] == done.stdout.splitlines()
    assert 0 == done.exit_code


def test_conversion_that_is_null_is_none(check: Check) -> None:
    known, crd = versioned("v1beta1", "v1"), new(definition=versioned("v1", "v2"))
    for definition in (known, crd):
        definition["spec"]["conversion"] = None

    done = check(crd, known, widget(size=10))

    assert (0, "") == (done.exit_code, done.stdout)


def test_stored_version_may_not_go(check: Check) -> None:
    known = versioned("v1beta1", "v1")
    known["status"]["storedVersions"] = ["v1beta1", "v1"]

    done = check(new(), known, widget(size=1))

    (line,) = done.stdout.splitlines()
    assert line.startswith(
        "new.yaml:4: widgets.example.com: expected v1beta1 to stay while status.storedVersions "
        "has it, got none: the API server refuses the update; "
    )
    assert 1 == done.exit_code


def test_update_that_the_api_server_refuses_is_reported(check: Check) -> None:
    crd = changed(lambda one: one["spec"].update(scope="Cluster"), new())

    done = check(crd, changed(_establish), widget(size=1))

    (line,) = done.stdout.splitlines()
    assert "spec.scope: Invalid value: " in line
    assert line.endswith("(crd-refused)")


def _establish(crd: Any) -> None:
    crd["status"]["conditions"] = [{"type": "Established", "status": "True"}]


def test_crd_that_no_api_server_takes_is_reported(check: Check) -> None:
    done = check(new(lambda one: one["spec"].pop("type")), LIVE, widget(size=1))

    assert "spec.validation.openAPIV3Schema.properties[spec].type: Required" in done.stdout
    assert {"(crd-refused)"} == {line.rsplit(" ", 1)[1] for line in done.stdout.splitlines()}
    assert 1 == done.exit_code


def test_cluster_without_the_crd_has_nothing_to_lose(check: Check) -> None:
    done = check(new(), None)

    assert "note: widgets.example.com: expected the CRD in cluster:, got none" in done.stdout
    assert 0 == done.exit_code


# ----------------------------------------------------------------------------------- field managers


def test_managers_of_versions_that_go_are_named(check: Check) -> None:
    known = versioned("v1alpha1", "v1beta1", "v1")
    crd = new(definition=versioned("v1beta1", "v1", v1beta1={"served": False}))
    objects = [
        managed(
            widget("a", size=1),
            ("kubectl", "v1alpha1", "2026-01-01T00:00:00Z"),
            ("operator", "v1beta1", "2026-02-01T00:00:00Z"),
            ("operator", "v1", "2026-03-01T00:00:00Z"),
        ),
        managed(
            widget("b", size=1),
            ("kubectl", "v1alpha1", "2026-04-01T00:00:00Z"),
            ("kubectl", "v1alpha1", "2026-02-01T00:00:00Z"),
        ),
    ]

    done = check(crd, known, *objects)

    removed, unserved = done.stdout.splitlines()
    assert (
        "expected field manager kubectl to write a version of the CRD, got v1alpha1 in 2 objects "
        "such as Widget default/a, last at 2026-04-01T00:00:00Z; once it is removed"
    ) in removed
    assert removed.endswith("(writer-version-removed)")
    assert (
        "warning: widgets.example.com: expected field manager operator to write a served version, "
        "got v1beta1 in 1 object such as Widget default/a, last at 2026-02-01T00:00:00Z "
        "(writer-version-unserved)"
    ) in unserved
    assert 1 == done.exit_code


def test_manager_of_a_deprecated_version_is_noted(check: Check) -> None:
    crd = new(definition=versioned("v1beta1", "v1", v1beta1={"deprecated": True}))
    value = managed(widget(size=1), ("kubectl", "v1beta1", "2026-01-01T00:00:00Z"))

    done = check(crd, versioned("v1beta1", "v1"), value)

    assert "note: widgets.example.com: expected field manager kubectl" in done.stdout
    assert 0 == done.exit_code


# ----------------------------------------------------------------------------- clusters and formats


def test_pages_that_expire_are_read_on(check: Check, contexts: dict[str | None, Pages]) -> None:
    first = check(new(grows), LIVE, *(widget(f"w{index}", size=1) for index in range(8)))
    contexts[None].expires = True

    second = CliRunner().invoke(commands.app, ["preflight", "new.yaml", "--jobs", "1"])

    assert first.stdout == second.stdout
    assert 8 == len(first.stdout.splitlines())


def test_several_clusters_are_told_apart(contexts: dict[str | None, Pages]) -> None:
    contexts["a"] = Pages(LIVE, [widget(size=1)])
    contexts["b"] = Pages(LIVE, [widget(size=1), widget("b", size=1)])
    pathlib.Path("new.yaml").write_text(yaml.dumps(new(grows)))
    against = ("--against", "cluster:a", "--against", "cluster:b", "--against", "cluster:c")

    done = CliRunner().invoke(commands.app, ["preflight", "new.yaml", *against])

    assert [
        "cluster:a: Widget default/a in cluster:a",
        "cluster:b: Widget default/a in cluster:b",
        "cluster:b: Widget default/b in cluster:b",
    ] == [line.partition(": spec")[0] for line in done.stdout.splitlines()]
    assert "3 objects judged" in done.stderr
    assert "schemagen: expected to open c, got: connection refused" in done.stderr
    assert 2 == done.exit_code


def test_junit_has_a_test_for_each_object(check: Check) -> None:
    objects = [widget("a", size=1, note="x"), widget("b", size=1)]

    done = check(new(without_note), LIVE, *objects, arguments=("-o", "junit"))

    suite = ET.fromstring(done.stdout)  # noqa: S314 - our own output
    failed = {case.get("name"): case.find("failure") is not None for case in suite}
    assert {
        "Widget default/a": True,
        "Widget default/b": False,
        "widgets.example.com": False,
    } == failed


def test_json_names_versions(check: Check) -> None:
    done = check(new(without_note), LIVE, widget(size=1, note="x"), arguments=("-o", "json"))

    (finding,) = json.loads(done.stdout)["findings"]
    assert ("fields-lost", "spec.note", ["v1"]) == (
        finding["rule"],
        finding["path"],
        finding["versions"],
    )


def test_sarif_describes_every_rule(check: Check) -> None:
    done = check(new(grows), LIVE, widget(size=1), arguments=("-o", "sarif"))

    (rule,) = json.loads(done.stdout)["runs"][0]["tool"]["driver"]["rules"]
    assert preflight.RULES["update-refused"] == rule["shortDescription"]["text"]


def test_objects_of_files_are_judged_with_their_lines() -> None:
    pathlib.Path("new.yaml").write_text(yaml.dumps(new(grows)))
    known = {"apiVersion": "v1", "kind": "List", "items": [widget(size=1), widget("b", size=1)]}
    pathlib.Path("live.yaml").write_text(yaml.dumps(known))

    done = CliRunner().invoke(commands.app, ["preflight", "new.yaml", "--against", "live.yaml"])

    assert ["live.yaml:13", "live.yaml:24"] == [
        line.partition(": ")[0] for line in done.stdout.splitlines()
    ]
    assert 1 == done.exit_code


def test_live_crd_of_files_counts() -> None:
    pathlib.Path("new.yaml").write_text(yaml.dumps(new()))
    known = versioned("v1beta1", "v1")
    known["status"]["storedVersions"] = ["v1beta1"]
    pathlib.Path("live.yaml").write_text(yaml.dumps(known))

    done = CliRunner().invoke(commands.app, ["preflight", "new.yaml", "--against", "live.yaml"])

    assert done.stdout.splitlines()[0].endswith("(stored-version-removed)")


def test_unreadable_file_of_objects_is_told_at_the_end() -> None:
    pathlib.Path("new.yaml").write_text(yaml.dumps(new()))
    pathlib.Path("live.yaml").write_text("a: [")

    done = CliRunner().invoke(commands.app, ["preflight", "new.yaml", "--against", "live.yaml"])

    assert "schemagen: live.yaml:2: expected YAML: " in done.stderr
    assert 2 == done.exit_code


def test_rule_that_does_not_exist_is_refused() -> None:
    done = CliRunner().invoke(commands.app, ["preflight", "new.yaml", "--warn", "x"])

    assert 2 == done.exit_code


# -------------------------------------------------------------------------------- short cuts, drawn

DRAWN = """\
type: object
properties:
  spec:
    type: object
    required: [title]
    properties:
      title: {type: string, maxLength: 4}
      size: {type: integer, default: 1, maximum: 5}
      color: {type: string, enum: [Red, Blue], nullable: true}
      port: {x-kubernetes-int-or-string: true, anyOf: [{type: integer}, {type: string}]}
      fixed: {type: string, x-kubernetes-validations: [{rule: self == oldSelf}]}
      deep:
        type: object
        default: {}
        properties: {a: {type: string, default: x}, b: {type: boolean}}
        x-kubernetes-validations: [{rule: "!has(self.b) || self.a == 'x'"}]
      list:
        type: array
        maxItems: 3
        x-kubernetes-list-type: map
        x-kubernetes-list-map-keys: [k]
        items: {type: object, required: [k], properties: {k: {type: string}, v: {type: integer}}}
      free: {type: object, x-kubernetes-preserve-unknown-fields: true}
      map: {type: object, additionalProperties: {type: string, pattern: "^a"}}
  status:
    type: object
    properties: {count: {type: integer, minimum: 1}, when: {type: string, format: date-time}}
"""
TRANSITIONS = (
    "self == oldSelf",
    "self != oldSelf",
    "!has(self.size) || self.size >= oldSelf.size",
    "has(oldSelf.deep) && self.deep == oldSelf.deep",
    "!has(self.port) || !has(oldSelf.color)",
)


def drawn_crd(draw: random.Random) -> Any:
    schema: Any = next(iter(yaml.load_all(DRAWN.encode())))
    schema["properties"]["spec"]["x-kubernetes-validations"] = [
        {"rule": draw.choice(TRANSITIONS), "message": "no"}
    ] * draw.choice((0, 1))
    other = copy.deepcopy(schema)
    for name in draw.sample(["size", "color", "deep", "list", "free"], draw.choice((0, 0, 1, 2))):
        del other["properties"]["spec"]["properties"][name]
        other["properties"]["spec"].pop("x-kubernetes-validations", None)

    def several(crd: Any) -> None:
        versions = (("v1", schema, True), ("v2", other, False))
        crd["spec"]["versions"] = [
            {"name": name, "served": True, "storage": storage, "subresources": {"status": {}}}
            | {"schema": {"openAPIV3Schema": one}}
            for name, one, storage in versions
        ]

    return changed(several)


def drawn_object(draw: random.Random) -> Any:
    values: dict[str, list[Any]] = {
        "title": ["ab", "abc", "abcd", "toolong"],
        "size": [0, 5, 6, None, "x"],
        "color": ["Red", "Blue", "Green", None],
        "port": [1, "a", True],
        "fixed": ["a"],
        "deep": [{}, {"a": "x"}, {"a": "y"}, {"a": "y", "b": True}, {"c": 1}, None],
        "list": [[], [{"k": "a"}], [{"k": "a"}, {"k": "a"}], [{"k": "a", "z": 1}], [{"v": 1}]],
        "free": [{}, {"x": {"y": [1, None]}}, {"x": 1.5}],
        "map": [{}, {"x": "a"}, {"x": "b"}, {"x": None}],
        "unknown": [1],
    }
    odds = {"title": 0.95, "unknown": 0.1}
    spec = {
        name: draw.choice(some)
        for name, some in values.items()
        if draw.random() < odds.get(name, 0.4)
    }
    statuses = [None, {}, {"count": 1}, {"count": 0}, {"when": "2026-01-01T00:00:00Z", "z": 1}]
    return widget(status=draw.choice(statuses), **spec)


@pytest.fixture(scope="module")
def oracle() -> Iterator[judge.Judge]:
    with judge.Judge(deadline_seconds=60) as opened:
        yield opened


class Uncertain:
    """Leaves everything to the judge."""

    def certain(self, value: Any) -> Any:
        del value
        return writes.Certain.NOTHING, ()


def test_short_cuts_are_taken(oracle: judge.Judge) -> None:
    draw = random.Random(20)  # noqa: S311 - no secret
    drawn = [(writes.Writes(drawn_crd(draw), oracle), drawn_object(draw)) for _ in range(40)]

    taken = {judged._quick_of("v1").certain(value)[0] for judged, value in drawn}  # noqa: SLF001

    assert {*writes.Certain} == taken


@pytest.mark.parametrize("seed", range(12))
def test_short_cut_says_what_the_judge_says(
    oracle: judge.Judge, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    draw = random.Random(seed)  # noqa: S311 - no secret
    crd = drawn_crd(draw)
    short, long = writes.Writes(crd, oracle), writes.Writes(crd, oracle)
    monkeypatch.setattr(long, "_quick_of", lambda _: Uncertain())

    for _ in range(25):
        value, version = drawn_object(draw), draw.choice(("v1", "v2"))
        value["apiVersion"] = f"example.com/{version}"
        expected = long.outcome(value, version)

        brief = short.outcome(value, version, is_brief=True)

        assert expected == short.outcome(value, version), (crd, value)
        assert bool(expected.refusals) == bool(brief.refusals), (crd, value)
        if not expected.refusals:
            assert expected.lost == brief.lost, (crd, value)


def test_most_valid_objects_are_not_given_to_the_judge(
    oracle: judge.Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged = writes.Writes(new(bounded), oracle)
    monkeypatch.setattr(judge.Loaded, "_verdict", None)

    assert writes.FINE is judged.outcome(widget(size=2, status={"count": 1}), "v1")


def test_judge_is_asked_for_what_is_uncertain(
    oracle: judge.Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    def both(properties: Any) -> None:
        grows(properties)
        bounded(properties)

    stays, moves = writes.Writes(new(bounded), oracle), writes.Writes(new(both), oracle)
    asked: list[str] = []
    verdict = judge.Loaded._verdict  # noqa: SLF001 - counted

    def counted(loaded: judge.Loaded, operation: Any, *rest: Any, **options: Any) -> judge.Verdict:
        asked.append(operation)
        return verdict(loaded, operation, *rest, **options)

    monkeypatch.setattr(judge.Loaded, "_verdict", counted)
    for judged in (stays, moves):
        judged.outcome(widget(size=10, status={"count": 1}), "v1")

    assert ["create", "update", "status"] == asked
    assert ("spec.note",) == writes.Writes(new(without_note), oracle).outcome(
        widget(size=1, note="x"), "v1"
    ).lost
    assert 3 == len(asked)


def test_reading_ends_where_a_page_cannot_be_read() -> None:
    async def pages() -> AsyncIterator[clusters.Page]:
        yield clusters.Page([1], 1)
        raise clusters.ClusterError("expected a page, got none")

    async def read() -> list[Any]:
        return [item async for page in live._ahead(pages()) for item in page.items]  # noqa: SLF001

    with pytest.raises(clusters.ClusterError, match="expected a page"):
        asyncio.run(read())


def test_upgrade_counts_each_object_once() -> None:
    definition = sources.Definition(new(), "new.yaml")
    upgrade = preflight.Upgrade(definition, LIVE, source="cluster:")

    for _ in range(2):
        upgrade.register(widget())
        upgrade.take(widget(), "v1", writes.Outcome(lost=("spec.note",)))

    assert (1, 1, []) == (upgrade.objects, upgrade.count("fields-lost"), upgrade.passed)
    assert 1 == len(upgrade.findings())
