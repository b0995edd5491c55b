"""Requests that both API servers must answer the same; each is one behaviour."""

from collections.abc import Awaitable, Callable
from typing import Final

import orjson

from controllers import kube
from controllers.kube import requests, responses
from controllers.kube.testing import JOBS, PODS
from tests.support.api_contract import PARTS, THINGS, Script

CONFIG: Final = kube.CONFIG_MAPS
CASES: Final[list[Callable[[Script], Awaitable[None]]]] = []


def case(function: Callable[[Script], Awaitable[None]]) -> Callable[[Script], Awaitable[None]]:
    """Add a case."""
    CASES.append(function)
    return function


def thing(name: str = "a", **spec: object) -> kube.JSON:
    named = {"apiVersion": THINGS.api_version, "kind": THINGS.kind, "metadata": {"name": name}}
    return {**named, "spec": spec}


def config(name: str = "a", **data: str) -> kube.JSON:
    return {"metadata": {"name": name}, "data": data}


# --- Creating and reading -------------------------------------------------------------------------


@case
async def create_sets_defaults_and_prunes(s: Script) -> None:
    await s.create(THINGS, thing(size=3, unknown=1, limits={}, free={"any": [1]}, maybe=None))


@case
async def create_drops_the_status(s: Script) -> None:
    await s.create(THINGS, thing(size=3) | {"status": {"phase": "Ready"}})
    await s.create(PARTS, {"metadata": {"name": "b"}, "spec": {}, "status": {"phase": "Ready"}})


@case
async def create_keeps_labels_annotations_owners_and_finalizers(s: Script) -> None:
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "u-1"}
    metadata = {
        "name": "a",
        "labels": {"app": "x"},
        "annotations": {"note": "y"},
        "finalizers": ["kubewright.dev/a"],
        "ownerReferences": [{**owner, "controller": True}],
    }
    await s.create(THINGS, {"metadata": metadata, "spec": {}})
    await s.patch(THINGS, "a", {"metadata": {"finalizers": None}})


@case
async def create_ignores_what_the_server_sets(s: Script) -> None:
    metadata = {
        "name": "a",
        "uid": "0d3dcd1c-6e65-4f0e-8d52-000000000000",
        "generation": 9,
        "creationTimestamp": "2020-01-01T00:00:00Z",
        "selfLink": "/x",
    }
    await s.create(THINGS, {"metadata": metadata, "spec": {}})


@case
async def create_twice_is_refused(s: Script) -> None:
    await s.create(CONFIG, config(x="1"))
    await s.create(CONFIG, config(x="2"))
    await s.create(THINGS, thing())
    await s.create(THINGS, thing())


@case
async def create_generates_names(s: Script) -> None:
    await s.create(THINGS, {"metadata": {"generateName": "thing-"}, "spec": {}})
    await s.create(CONFIG, {"metadata": {"generateName": "map-"}})


@case
async def create_without_a_name_is_refused(s: Script) -> None:
    await s.create(THINGS, {"metadata": {}, "spec": {}})


@case
async def create_with_an_invalid_name_is_refused(s: Script) -> None:
    await s.create(THINGS, thing("A_b"))


@case
async def create_in_a_missing_namespace_is_refused(s: Script) -> None:
    await s.ask(s.client.create(THINGS, thing(), namespace="missing"))
    await s.ask(s.client.create(CONFIG, config(), namespace="missing"))


@case
async def create_with_a_resource_version_is_refused(s: Script) -> None:
    await s.create(THINGS, {"metadata": {"name": "a", "resourceVersion": "5"}, "spec": {}})


@case
async def create_of_an_invalid_object_is_refused(s: Script) -> None:
    await s.create(THINGS, thing(size=11))
    await s.create(THINGS, thing(size="x", color="green"))
    await s.create(THINGS, thing(size=7))
    await s.create(THINGS, thing(tags=["a", "a"]))
    await s.create(THINGS, thing(steps=[{"image": "x"}]))


@case
async def create_as_a_dry_run_stores_nothing(s: Script) -> None:
    await s.create(THINGS, thing(size=1), dry_run=True)
    await s.get(THINGS, "a")


@case
async def unknown_fields_are_warned_of_or_refused(s: Script) -> None:
    await s.create(THINGS, thing(size=1, b=1, a=1))
    await s.create(THINGS, thing("b", size=1, b=1), field_validation="Strict")
    await s.create(THINGS, thing("c", size=1, b=1), field_validation="Ignore")


@case
async def get_of_a_missing_object_is_refused(s: Script) -> None:
    await s.get(THINGS, "a")
    await s.get(kube.LEASES, "a")
    await s.ask(s.client.get(kube.NAMESPACES, "missing"))


@case
async def unserved_resources_are_not_found(s: Script) -> None:
    await s.get(kube.Resource("nobody.dev", "v1", "things", "Thing"), "a")
    await s.get(kube.Resource(THINGS.group, "v2", "things", "Thing"), "a")
    await s.ask(s.client.get(PARTS, "a", namespace=s.namespace, subresource="status"))


@case
async def body_of_another_version_is_refused(s: Script) -> None:
    body = {"metadata": {"name": "a"}, "apiVersion": f"{THINGS.group}/v2"}
    await s.create(THINGS, body)


@case
async def body_of_another_namespace_is_refused(s: Script) -> None:
    request = kube.Request(
        "POST",
        CONFIG.path(s.namespace),
        (),
        "application/json",
        b'{"metadata":{"name":"a","namespace":"default"}}',
    )
    await s.ask(s.client.body(request))


# --- Lists ----------------------------------------------------------------------------------------


@case
async def list_is_sorted_and_paged(s: Script) -> None:
    for name in ("c", "a", "b-1", "b"):
        await s.create(CONFIG, config(name))
    await s.list_all(CONFIG)
    await s.list_all(CONFIG, page_size=2)


@case
async def pages_show_one_revision(s: Script) -> None:
    for name in "abc":
        await s.create(THINGS, thing(name))
    first = kube.Request("GET", THINGS.path(s.namespace), (("limit", "2"),))
    page = await _page(s, first)
    await s.delete(THINGS, "c")
    await s.create(THINGS, thing("d"))
    token = page["metadata"]["continue"]
    await _page(s, kube.Request("GET", first.path, (("limit", "2"), ("continue", token))))


async def _page(s: Script, request: kube.Request) -> kube.JSON:
    page: kube.JSON = responses.decode(await s.client.body(request), "")
    metadata = {k: v for k, v in page["metadata"].items() if k != "resourceVersion"}
    shown = metadata | ({"continue": "TOKEN"} if "continue" in metadata else {})
    s.note({**page, "metadata": shown})
    return page


@case
async def empty_list(s: Script) -> None:
    await _page(s, kube.Request("GET", THINGS.path(s.namespace)))
    await _page(s, kube.Request("GET", CONFIG.path(s.namespace)))


@case
async def label_selectors_choose(s: Script) -> None:
    for name, labels in (("a", {"app": "x"}), ("b", {"app": "y", "tier": "1"}), ("c", {})):
        await s.create(CONFIG, {"metadata": {"name": name, "labels": labels}})
    for selector in (
        *("app=x", "app==y", "app!=x", "app", "!app", "app in (x,y)", "app notin (x)"),
        *("app=y,tier=1", "app,tier notin (1, 2)"),
    ):
        found = await s.client.list(CONFIG, namespace=s.namespace, labels=selector)
        s.note([selector, [item["metadata"]["name"] for item in found.items]])


@case
async def field_selectors_choose(s: Script) -> None:
    await s.create(THINGS, thing("a"))
    await s.create(THINGS, thing("b", color="blue"))
    for selector in ("metadata.name=a", "metadata.name!=a", "spec.color=blue", "spec.color!=blue"):
        found = await s.client.list(THINGS, namespace=s.namespace, fields=selector)
        s.note([selector, [item["metadata"]["name"] for item in found.items]])
    await s.list_all(THINGS, fields="spec.size=1")


# --- Updates --------------------------------------------------------------------------------------


@case
async def update_counts_the_generation_by_the_spec(s: Script) -> None:
    created = await s.create(THINGS, thing(size=1))
    labelled = {**created["metadata"], "labels": {"app": "x"}}
    created = await s.replace(THINGS, {**created, "metadata": labelled})
    created = await s.replace(THINGS, {**created, "spec": {"size": 2}})
    await s.replace(THINGS, {**created, "status": {"phase": "ignored"}})


@case
async def update_that_changes_nothing_writes_nothing(s: Script) -> None:
    created = await s.create(THINGS, thing(size=1))
    await s.replace(THINGS, created)
    created = await s.create(CONFIG, config(x="1"))
    await s.replace(CONFIG, created)


@case
async def update_of_an_outdated_object_is_refused(s: Script) -> None:
    created = await s.create(THINGS, thing(size=1))
    await s.replace(THINGS, {**created, "spec": {"size": 2}})
    await s.replace(THINGS, {**created, "spec": {"size": 3}})


@case
async def update_without_a_resource_version(s: Script) -> None:
    await s.create(THINGS, thing(size=1))
    await s.replace(THINGS, thing(size=2))
    await s.create(CONFIG, config(x="1"))
    await s.replace(CONFIG, config(x="2"))
    await s.create(kube.LEASES, {"metadata": {"name": "a"}, "spec": {"holderIdentity": "me"}})
    await s.replace(kube.LEASES, {"metadata": {"name": "a"}, "spec": {}})


@case
async def update_of_a_missing_object(s: Script) -> None:
    await s.replace(THINGS, thing(size=2))
    await s.replace(CONFIG, config(x="2"))
    await s.replace(kube.LEASES, {"metadata": {"name": "a"}, "spec": {"holderIdentity": "me"}})


@case
async def update_of_a_deleted_object_is_refused(s: Script) -> None:
    created = await s.create(kube.LEASES, {"metadata": {"name": "a"}, "spec": {}})
    await s.delete(kube.LEASES, "a")
    await s.replace(kube.LEASES, created)
    created = await s.create(THINGS, thing())
    await s.delete(THINGS, "a")
    await s.replace(THINGS, created)


@case
async def update_with_another_uid_is_refused(s: Script) -> None:
    created = await s.create(THINGS, thing())
    uid = "0d3dcd1c-6e65-4f0e-8d52-000000000000"
    await s.replace(THINGS, {**created, "metadata": {**created["metadata"], "uid": uid}})


@case
async def update_of_an_invalid_object_ratchets(s: Script) -> None:
    created = await s.create(THINGS, thing(size=1))
    await s.replace(THINGS, {**created, "spec": {"size": 12}})


@case
async def update_removes_what_is_left_out(s: Script) -> None:
    created = await s.create(THINGS, thing(size=1, labels={"a": "1", "b": "2"}, color="blue"))
    await s.replace(THINGS, {**created, "spec": {"labels": {"a": "1"}}}, field_manager="other")


@case
async def secrets_and_leases_are_stored(s: Script) -> None:
    await s.create(kube.SECRETS, {"metadata": {"name": "a"}, "data": {"x": "MQ=="}})
    spec = {
        "holderIdentity": "me",
        "leaseDurationSeconds": 15,
        "leaseTransitions": 0,
        "acquireTime": None,
        "renewTime": "2030-01-01T00:00:00.000001Z",
    }
    created = await s.create(kube.LEASES, {"metadata": {"name": "a"}, "spec": spec})
    later = {**created["spec"], "holderIdentity": "", "leaseTransitions": 1}
    await s.replace(kube.LEASES, {**created, "spec": later})


@case
async def events_are_stored_and_patched(s: Script) -> None:
    body = {
        "metadata": {"name": "a.1"},
        "eventTime": "2030-01-01T00:00:00.000001Z",
        "type": "Normal",
        "reason": "Started",
        "action": "Run",
        "note": "It started.",
        "reportingController": "kubewright.dev/x",
        "reportingInstance": "x-1",
        "regarding": {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "name": "a",
            "namespace": s.namespace,
        },
    }
    await s.create(kube.EVENTS, body)
    series = {"count": 2, "lastObservedTime": "2030-01-01T00:00:01.000001Z"}
    await s.patch(kube.EVENTS, "a.1", {"series": series})


# --- Status ---------------------------------------------------------------------------------------


@case
async def status_is_written_alone(s: Script) -> None:
    created = await s.create(THINGS, thing(size=1))
    changed = {**created, "spec": {"size": 2}, "status": {"phase": "Ready", "unknown": 1}}
    await s.replace(THINGS, changed, subresource="status")
    await s.patch(THINGS, "a", {"status": {"phase": "Done"}}, subresource="status")
    await s.patch(THINGS, "a", {"spec": {"size": 3}}, subresource="status")
    await s.patch(THINGS, "a", {"status": {"phase": 1}}, subresource="status")


@case
async def status_is_applied_alone(s: Script) -> None:
    await s.create(THINGS, thing(size=1))
    body = thing() | {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    body.pop("spec")
    await s.apply(THINGS, body, "controller", subresource="status")
    other = {**body, "status": {"conditions": [{"type": "Ready", "status": "False"}]}}
    await s.apply(THINGS, other, "other", subresource="status")
    await s.apply(THINGS, other, "other", subresource="status", force=True)
    await s.apply(THINGS, {**body, "metadata": {"name": "missing"}}, "other", subresource="status")


# --- Patches --------------------------------------------------------------------------------------


@case
async def merge_patch_merges(s: Script) -> None:
    await s.create(THINGS, thing(size=1, labels={"a": "1", "b": "2"}, arguments=["x"]))
    changes = {"spec": {"labels": {"a": None, "c": "3"}, "arguments": ["y"], "color": None}}
    await s.patch(THINGS, "a", changes)
    await s.patch(THINGS, "a", {"spec": {"size": 1}})
    await s.patch(THINGS, "a", {"metadata": {"resourceVersion": "1"}})
    await s.patch(THINGS, "a", {"spec": {"size": 99}})
    await s.patch(THINGS, "b", {"spec": {}})


@case
async def json_patch_operates(s: Script) -> None:
    await s.create(THINGS, thing(size=1, arguments=["x", "y"], labels={"a/b": "1"}))
    operations = [
        {"op": "test", "path": "/spec/size", "value": 1},
        {"op": "add", "path": "/spec/arguments/1", "value": "z"},
        {"op": "add", "path": "/spec/arguments/-", "value": "w"},
        {"op": "replace", "path": "/spec/labels/a~1b", "value": "2"},
        {"op": "copy", "from": "/spec/size", "path": "/spec/either"},
        {"op": "remove", "path": "/spec/arguments/0"},
        {"op": "move", "from": "/spec/labels", "path": "/spec/selector"},
    ]
    await s.patch(THINGS, "a", operations, kind="json")


@case
async def json_patch_whose_test_fails_is_refused(s: Script) -> None:
    await s.create(THINGS, thing(size=1))
    test = {"op": "test", "path": "/spec/size", "value": 2}
    await s.patch(THINGS, "a", [test], kind="json")
    await s.patch(THINGS, "a", [{"op": "remove", "path": "/spec/tags"}], kind="json")
    await s.patch(THINGS, "a", [{"op": "replace", "path": "/spec/tags", "value": []}], kind="json")


@case
async def strategic_patch_of_a_custom_object_is_refused(s: Script) -> None:
    await s.create(THINGS, thing(size=1))
    await s.patch(THINGS, "a", {"spec": {"size": 2}}, kind="strategic")


# --- Server-side apply ----------------------------------------------------------------------------


@case
async def apply_creates_and_owns(s: Script) -> None:
    body = thing(size=1, steps=[{"name": "x", "image": "i"}], tags=["a"], selector={"k": "v"})
    await s.apply(THINGS, body, "one")
    await s.apply(THINGS, body, "one")


@case
async def apply_of_what_another_owns_conflicts(s: Script) -> None:
    await s.apply(THINGS, thing(size=1, color="blue"), "one")
    await s.apply(THINGS, thing(size=2), "two")
    await s.apply(THINGS, thing(size=2, color="red"), "two")
    await s.apply(THINGS, thing(size=1), "two")
    await s.apply(THINGS, thing(size=2), "two", force=True)


@case
async def apply_of_what_an_update_owns_conflicts(s: Script) -> None:
    await s.create(THINGS, thing(size=1), field_manager="editor")
    await s.apply(THINGS, thing(size=2), "one")
    await s.create(CONFIG, config(x="1", y="1"), field_manager="editor")
    await s.apply(CONFIG, config(x="2", y="2"), "one")
    await s.apply(CONFIG, config(x="2", y="1"), "one", force=True)


@case
async def apply_removes_what_it_left_out(s: Script) -> None:
    await s.apply(THINGS, thing(size=1, labels={"a": "1", "b": "2"}, arguments=["x"]), "one")
    await s.apply(THINGS, thing(labels={"b": "2"}), "two")
    await s.apply(THINGS, thing(labels={}), "one")
    await s.apply(THINGS, thing(), "two")


@case
async def apply_merges_lists_by_key(s: Script) -> None:
    steps = [{"name": "x", "image": "1", "env": {"a": "1"}}, {"name": "y", "image": "1"}]
    await s.apply(THINGS, thing(steps=steps), "one")
    await s.apply(THINGS, thing(steps=[{"name": "z"}, {"name": "x", "env": {"b": "2"}}]), "two")
    await s.apply(THINGS, thing(steps=[{"name": "y", "image": "1"}]), "one")
    await s.apply(THINGS, thing(steps=[{"name": "x", "port": 81}]), "two")


@case
async def apply_merges_sets_and_replaces_atomic_values(s: Script) -> None:
    body = thing(tags=["a", "b"], arguments=["x"], selector={"k": "1"}, labels={"k": "1"})
    await s.apply(THINGS, body, "one")
    other = thing(tags=["c", "b"], labels={"l": "2"})
    await s.apply(THINGS, other, "two")
    await s.apply(THINGS, thing(selector={"l": "2"}), "two")
    await s.apply(THINGS, thing(selector={"l": "2"}, arguments=["x", "y"]), "two", force=True)
    await s.apply(THINGS, thing(tags=["a"]), "one")


@case
async def apply_of_an_undeclared_field_is_refused(s: Script) -> None:
    await s.apply(THINGS, thing(unknown=1), "one")
    await s.apply(THINGS, thing(steps=[{"image": "x"}]), "one")


@case
async def apply_of_an_invalid_object_is_refused(s: Script) -> None:
    await s.apply(THINGS, thing(size=11), "one")


@case
async def apply_after_an_update_of_the_same_manager(s: Script) -> None:
    await s.create(THINGS, thing(size=1), field_manager="one")
    await s.apply(THINGS, thing(size=1), "one")
    await s.apply(THINGS, thing(size=2), "one")


@case
async def apply_of_labels_and_finalizers(s: Script) -> None:
    body = thing()
    body["metadata"] |= {"labels": {"a": "1"}, "finalizers": ["kubewright.dev/x"]}
    await s.apply(THINGS, body, "one")
    other = thing()
    other["metadata"] |= {"labels": {"b": "1"}, "finalizers": ["kubewright.dev/y"]}
    await s.apply(THINGS, other, "two")
    await s.apply(THINGS, thing(), "one")
    await s.patch(THINGS, "a", {"metadata": {"finalizers": None}})


@case
async def apply_can_answer_with_metadata_alone(s: Script) -> None:
    await s.apply(THINGS, thing(size=1), "one", answers_metadata=True)


@case
async def apply_of_a_config_map(s: Script) -> None:
    await s.apply(CONFIG, config(x="1", y="2"), "one")
    await s.apply(CONFIG, config(y="2", z="3"), "two")
    await s.apply(CONFIG, config(x="1"), "one")
    await s.apply(CONFIG, config(), "one")


@case
async def update_takes_over_applied_fields(s: Script) -> None:
    applied = await s.apply(THINGS, thing(size=1, labels={"a": "1"}), "one")
    await s.replace(THINGS, {**applied, "spec": {"size": 2}}, field_manager="editor")
    await s.apply(THINGS, thing(size=1), "one")
    await s.apply(THINGS, thing(size=2), "one")


# --- Deletion -------------------------------------------------------------------------------------


@case
async def delete_answers_a_status(s: Script) -> None:
    await s.create(THINGS, thing())
    await s.delete(THINGS, "a")
    await s.delete(THINGS, "a")
    await s.create(CONFIG, config())
    await s.delete(CONFIG, "a")


@case
async def delete_with_preconditions(s: Script) -> None:
    created = await s.create(THINGS, thing())
    await s.delete(THINGS, "a", uid="0d3dcd1c-6e65-4f0e-8d52-000000000000")
    await s.delete(THINGS, "a", resource_version="1")
    metadata = created["metadata"]
    await s.delete(THINGS, "a", uid=metadata["uid"], resource_version=metadata["resourceVersion"])


@case
async def delete_waits_for_finalizers(s: Script) -> None:
    metadata = {"name": "a", "finalizers": ["kubewright.dev/x", "kubewright.dev/y"]}
    await s.create(THINGS, {"metadata": metadata, "spec": {}})
    await s.delete(THINGS, "a")
    await s.delete(THINGS, "a")
    await s.patch(THINGS, "a", {"metadata": {"finalizers": ["kubewright.dev/z"]}})
    await s.patch(THINGS, "a", {"spec": {"size": 2}})
    await s.patch(THINGS, "a", {"metadata": {"finalizers": ["kubewright.dev/y"]}})
    await s.patch(THINGS, "a", {"metadata": {"finalizers": []}})
    await s.get(THINGS, "a")


@case
async def delete_waits_for_finalizers_of_a_config_map(s: Script) -> None:
    metadata = {"name": "a", "finalizers": ["kubewright.dev/x"]}
    await s.create(CONFIG, {"metadata": metadata})
    await s.delete(CONFIG, "a")
    await s.patch(CONFIG, "a", {"metadata": {"finalizers": None}})
    await s.get(CONFIG, "a")


@case
async def delete_with_a_propagation_policy(s: Script) -> None:
    for name in "abc":
        await s.create(THINGS, thing(name))
    await s.delete(THINGS, "a", propagation="Background")
    await s.delete(THINGS, "b", propagation="Foreground")
    await s.delete(THINGS, "c", propagation="Orphan")


@case
async def delete_as_a_dry_run(s: Script) -> None:
    await s.create(THINGS, thing())
    await s.delete(THINGS, "a", dry_run=True)
    await s.get(THINGS, "a")


@case
async def namespace_terminates(s: Script) -> None:
    found = await s.client.delete(kube.NAMESPACES, s.namespace)
    s.note([found["status"], "deletionTimestamp" in found["metadata"], found["spec"]])
    await s.create(THINGS, thing())
    await s.create(CONFIG, config())


# --- Watches --------------------------------------------------------------------------------------


@case
async def watch_shows_what_happens(s: Script) -> None:
    version = (await s.client.list(THINGS, namespace=s.namespace)).resource_version

    async def act() -> None:
        await s.create(THINGS, thing(size=1))
        await s.patch(THINGS, "a", {"spec": {"size": 2}})
        await s.create(THINGS, thing("b"))
        await s.delete(THINGS, "a")

    await s.watch(THINGS, 4, act, resource_version=version)


@case
async def watch_begins_with_what_exists(s: Script) -> None:
    await s.create(CONFIG, config("b"))
    await s.create(CONFIG, config("a"))
    await s.watch(CONFIG, 3, fields="metadata.name!=kube-root-ca.crt",
                  meanwhile=lambda: s.create(CONFIG, config("c")))  # fmt: skip


@case
async def watch_resumes_after_a_version(s: Script) -> None:
    first = await s.create(THINGS, thing("a"))
    await s.create(THINGS, thing("b"))
    await s.delete(THINGS, "a")
    await s.watch(THINGS, 2, resource_version=first["metadata"]["resourceVersion"])


@case
async def watch_of_a_selection_sees_what_enters_and_leaves(s: Script) -> None:
    version = (await s.client.list(THINGS, namespace=s.namespace)).resource_version

    async def act() -> None:
        await s.create(THINGS, thing("a"))
        await s.patch(THINGS, "a", {"metadata": {"labels": {"app": "x"}}})
        await s.patch(THINGS, "a", {"spec": {"size": 1}})
        await s.patch(THINGS, "a", {"metadata": {"labels": None}})
        await s.patch(THINGS, "a", {"spec": {"size": 2}})
        await s.patch(THINGS, "a", {"metadata": {"labels": {"app": "x"}}})
        await s.delete(THINGS, "a")

    await s.watch(THINGS, 5, act, resource_version=version, labels="app=x")


@case
async def watch_sees_a_deletion_in_two_steps(s: Script) -> None:
    metadata = {"name": "a", "finalizers": ["kubewright.dev/x"]}
    created = await s.create(THINGS, {"metadata": metadata, "spec": {}})

    async def act() -> None:
        await s.delete(THINGS, "a")
        await s.patch(THINGS, "a", {"metadata": {"finalizers": None}})

    version = created["metadata"]["resourceVersion"]
    await s.watch(THINGS, 2, act, resource_version=version)


@case
async def watch_from_a_forgotten_version_is_gone(s: Script) -> None:
    await s.create(THINGS, thing())
    await s.watch(THINGS, 1, resource_version="1")


@case
async def streaming_list_ends_its_beginning_with_a_bookmark(s: Script) -> None:
    await s.create(THINGS, thing("b"))
    await s.create(THINGS, thing("a"))
    request = requests.watch(
        THINGS,
        kube.Selection(namespace=s.namespace),
        resource_version=None,
        timeout_seconds=60,
        sends_initial=True,
    )
    lines = s.client.lines(request)
    async for line in lines:
        event = orjson.loads(line)
        if event["type"] == "BOOKMARK":
            s.note(event["object"]["metadata"]["annotations"])
            break
        s.note(event)
    await lines.aclose()


# --- More of what controllers rely on -------------------------------------------------------------


async def raw(
    s: Script, method: str, path: str, body: kube.JSON, content_type: str = "application/json"
) -> None:
    """Send what the client would not."""
    request = kube.Request(method, path, (), content_type, orjson.dumps(body))

    async def send() -> object:
        return responses.decode(await s.client.body(request), "")

    await s.ask(send())


@case
async def apply_of_duplicate_items_is_refused(s: Script) -> None:
    await s.apply(THINGS, thing(steps=[{"name": "x"}, {"name": "x"}]), "one")
    await s.apply(THINGS, thing(tags=["a", "a"]), "one")


@case
async def apply_of_managed_fields_is_refused(s: Script) -> None:
    created = await s.apply(THINGS, thing(size=1), "one")
    body = thing(size=1)
    body["metadata"]["managedFields"] = created["metadata"]["managedFields"]
    await s.apply(THINGS, body, "one")


@case
async def apply_of_an_outdated_version_is_refused(s: Script) -> None:
    await s.apply(THINGS, thing(size=1), "one")
    body = thing(size=2)
    body["metadata"]["resourceVersion"] = "1"
    await s.apply(THINGS, body, "one")


@case
async def apply_as_a_dry_run_stores_nothing(s: Script) -> None:
    await s.apply(THINGS, thing(size=1), "one", dry_run=True)
    await s.get(THINGS, "a")
    await s.apply(THINGS, thing(size=1), "one")
    await s.apply(THINGS, thing(size=2), "one", dry_run=True)
    await s.get(THINGS, "a")


@case
async def apply_grows_and_shrinks_a_set_of_owners(s: Script) -> None:
    for manager, size in (("one", 1), ("two", 1), ("three", 1)):
        await s.apply(THINGS, thing(size=size), manager)
    await s.apply(THINGS, thing(), "one")
    await s.apply(THINGS, thing(), "two")
    await s.apply(THINGS, thing(color="blue"), "three")


@case
async def apply_takes_a_subtree_from_an_update(s: Script) -> None:
    await s.create(THINGS, thing(limits={"cpu": 2, "memory": "1Gi"}, free={"a": {"b": [1]}}))
    await s.apply(THINGS, thing(limits={"cpu": 3}, free={"a": {"b": [2]}}), "one", force=True)
    await s.apply(THINGS, thing(free={"a": {}}), "one")
    await s.apply(THINGS, thing(free={"c": 1}), "one")


@case
async def update_resets_managed_fields(s: Script) -> None:
    created = await s.apply(THINGS, thing(size=1), "one")
    metadata = {**created["metadata"], "managedFields": [{}]}
    await s.replace(THINGS, {**created, "metadata": metadata}, field_manager="editor")
    await s.apply(THINGS, thing(size=1), "one")


@case
async def patches_as_a_dry_run_store_nothing(s: Script) -> None:
    await s.create(THINGS, thing(size=1))
    await s.patch(THINGS, "a", {"spec": {"size": 2}}, dry_run=True)
    await s.get(THINGS, "a")


@case
async def patch_with_unknown_fields(s: Script) -> None:
    await s.create(THINGS, thing(size=1))
    await s.patch(THINGS, "a", {"spec": {"unknown": 2}})
    await s.patch(THINGS, "a", {"spec": {"unknown": 2}}, field_validation="Strict")


@case
async def name_in_the_body_must_be_the_one_in_the_path(s: Script) -> None:
    await s.create(THINGS, thing("a"))
    await raw(s, "PUT", THINGS.path(s.namespace, "a"), thing("b"))


@case
async def custom_body_without_a_kind_is_refused(s: Script) -> None:
    await raw(s, "POST", THINGS.path(s.namespace), {"metadata": {"name": "a"}})


@case
async def built_in_body_without_a_kind_is_taken(s: Script) -> None:
    await raw(s, "POST", CONFIG.path(s.namespace), {"metadata": {"name": "a"}, "data": {"x": "1"}})


@case
async def config_maps_conflict_too(s: Script) -> None:
    created = await s.create(CONFIG, config(x="1"))
    await s.replace(CONFIG, {**created, "data": {"x": "2"}})
    await s.replace(CONFIG, {**created, "data": {"x": "3"}})
    await s.delete(CONFIG, "a", resource_version=created["metadata"]["resourceVersion"])
    await s.delete(CONFIG, "a", uid=created["metadata"]["uid"])


@case
async def finalizer_is_patched_if_nothing_changed(s: Script) -> None:
    created = await s.create(CONFIG, config())
    metadata = created["metadata"]
    operations = [
        {"op": "test", "path": "/metadata/uid", "value": metadata["uid"]},
        {
            "op": "test",
            "path": "/metadata/resourceVersion",
            "value": metadata["resourceVersion"],
        },
        {"op": "add", "path": "/metadata/finalizers", "value": ["kubewright.dev/x"]},
    ]
    await s.patch(CONFIG, "a", operations, kind="json")
    await s.patch(CONFIG, "a", operations, kind="json")
    await s.patch(CONFIG, "a", [{"op": "remove", "path": "/metadata/finalizers"}], kind="json")


@case
async def selected_pages_do_not_count_the_rest(s: Script) -> None:
    for name in "abc":
        labels = {"app": "x"}
        await s.create(CONFIG, {"metadata": {"name": name, "labels": labels}})
    query = (("limit", "1"), ("labelSelector", "app=x"))
    await _page(s, kube.Request("GET", CONFIG.path(s.namespace), query))
    await _page(s, kube.Request("GET", CONFIG.path(s.namespace), query[:1]))


@case
async def lease_is_watched_by_its_name(s: Script) -> None:
    created = await s.create(kube.LEASES, {"metadata": {"name": "a"}, "spec": {}})

    async def act() -> None:
        await s.create(kube.LEASES, {"metadata": {"name": "b"}, "spec": {}})
        await s.patch(kube.LEASES, "a", {"spec": {"holderIdentity": "me"}})
        await s.delete(kube.LEASES, "a")

    version = created["metadata"]["resourceVersion"]
    await s.watch(kube.LEASES, 2, act, resource_version=version, fields="metadata.name=a")


@case
async def metadata_that_is_empty_is_left_out(s: Script) -> None:
    metadata = {"name": "a", "labels": {}, "annotations": {"x": ""}, "finalizers": []}
    await s.create(THINGS, {"metadata": metadata, "spec": {}})
    await s.create(CONFIG, {"metadata": metadata, "data": {}})


@case
async def unknown_metadata_is_warned_of(s: Script) -> None:
    await s.create(THINGS, {"metadata": {"name": "a", "unknown": 1}, "spec": {}})


@case
async def object_without_a_spec(s: Script) -> None:
    await s.create(THINGS, {"metadata": {"name": "a"}})
    await s.patch(THINGS, "a", {"spec": {}})
    await s.patch(THINGS, "a", {"spec": None})


@case
async def secret_takes_plain_texts(s: Script) -> None:
    body = {"metadata": {"name": "a"}, "stringData": {"x": "1"}, "type": "example.dev/x"}
    await s.create(kube.SECRETS, body)


@case
async def read_of_a_state_that_is_not_too_old(s: Script) -> None:
    created = await s.create(THINGS, thing(size=1))
    version = created["metadata"]["resourceVersion"]
    await s.ask(s.client.get(THINGS, "a", namespace=s.namespace, not_older_than=version))


# --- Pods and Jobs --------------------------------------------------------------------------------


def _part(value: kube.JSON, *names: str) -> kube.JSON:
    return {name: value.get(name) for name in names}


@case
async def jobs_are_completed_and_have_a_status(s: Script) -> None:
    container = {"name": "c", "image": "i"}
    template = {"spec": {"restartPolicy": "Never", "containers": [container]}}
    body = {"metadata": {"name": "a", "labels": {"x": "1"}}, "spec": {"template": template}}
    created = await s.client.create(JOBS, body, namespace=s.namespace)
    s.note([created["metadata"]["generation"], created["metadata"]["labels"]])
    spec = {name: part for name, part in created["spec"].items() if name != "template"}
    s.note([spec, created["spec"]["template"]["metadata"], created["metadata"]["uid"]])
    changed = await s.client.patch(
        JOBS, "a", {"status": {"active": 1}}, subresource="status", namespace=s.namespace
    )
    s.note([changed["status"], changed["metadata"]["generation"]])
    changed = await s.client.patch(JOBS, "a", {"spec": {"suspend": True}}, namespace=s.namespace)
    s.note([changed["metadata"]["generation"], changed["spec"]["suspend"]])
    await s.delete(JOBS, "a", propagation="Background")


@case
async def pod_on_a_node_is_deleted_in_time(s: Script) -> None:
    account = {"metadata": {"name": "default"}}
    await s.client.create(kube.SERVICE_ACCOUNTS, account, namespace=s.namespace)
    spec = {"containers": [{"name": "c", "image": "i"}], "nodeName": "n"}
    await s.client.create(PODS, {"metadata": {"name": "a"}, "spec": spec}, namespace=s.namespace)
    gone = await s.client.delete(PODS, "a", namespace=s.namespace)
    metadata = gone["metadata"]
    s.note([metadata["deletionGracePeriodSeconds"], metadata["generation"]])
    spec = {"containers": [{"name": "c", "image": "i"}]}
    await s.client.create(PODS, {"metadata": {"name": "b"}, "spec": spec}, namespace=s.namespace)
    gone = await s.client.delete(PODS, "b", namespace=s.namespace)
    s.note([gone["kind"], gone["metadata"]["name"]])
    await s.get(PODS, "b")
