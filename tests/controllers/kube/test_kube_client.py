"""Every verb against a real API server."""

import contextlib
from typing import Any

import pytest

from controllers import kube
from controllers.kube import requests

pytestmark = pytest.mark.e2e


def config_map(name: str = "x", **data: str) -> kube.JSON:
    return {"metadata": {"name": name}, "data": data}


def thing(name: str = "x", **spec: Any) -> kube.JSON:
    metadata = {"name": name}
    return {"apiVersion": "", "kind": "Thing", "metadata": metadata, "spec": spec}


def of(resource: kube.Resource, body: kube.JSON) -> kube.JSON:
    return body | {"apiVersion": resource.api_version}


async def test_created_object_is_read_back(client: kube.Client, namespace: str) -> None:
    created = await client.create(kube.CONFIG_MAPS, config_map(a="1"), namespace=namespace)

    assert created["data"] == {"a": "1"}
    assert created == await client.get(kube.CONFIG_MAPS, "x", namespace=namespace)


async def test_creating_twice_is_told(client: kube.Client, namespace: str) -> None:
    await client.create(kube.CONFIG_MAPS, config_map(), namespace=namespace)

    with pytest.raises(kube.AlreadyExistsError) as caught:
        await client.create(kube.CONFIG_MAPS, config_map(), namespace=namespace)

    assert 'configmaps "x" already exists' in str(caught.value)


async def test_missing_object_is_told_in_the_api_servers_words(
    client: kube.Client, namespace: str
) -> None:
    with pytest.raises(kube.NotFoundError) as caught:
        await client.get(kube.CONFIG_MAPS, "x", namespace=namespace)

    assert str(caught.value) == 'configmaps "x" not found'
    assert caught.value.reason == "NotFound"


async def test_missing_kind_names_the_request(client: kube.Client) -> None:
    absent = kube.Resource("absent.kubewright.dev", "v1", "nones", "None", namespaced=False)

    with pytest.raises(kube.NotFoundError) as caught:
        await client.get(absent, "x")

    assert (
        str(caught.value)
        == "404 page not found, in response to GET /apis/absent.kubewright.dev/v1/nones/x"
    )


async def test_replacing_by_a_stale_copy_is_a_conflict(client: kube.Client, namespace: str) -> None:
    stale = await client.create(kube.CONFIG_MAPS, config_map(a="1"), namespace=namespace)
    fresh = await client.replace(kube.CONFIG_MAPS, stale | {"data": {"a": "2"}})

    with pytest.raises(kube.ConflictError) as caught:
        await client.replace(kube.CONFIG_MAPS, stale | {"data": {"a": "3"}})

    assert "the object has been modified" in str(caught.value)
    assert fresh["data"] == {"a": "2"}
    assert fresh == await client.get(kube.CONFIG_MAPS, "x", namespace=namespace)


async def test_managers_share_an_object_and_conflicts_name_the_other(
    client: kube.Client, namespace: str
) -> None:
    async def apply(manager: str, *, force: bool = False, **data: str) -> kube.JSON:
        return await client.apply(
            kube.CONFIG_MAPS,
            config_map(**data),
            namespace=namespace,
            field_manager=manager,
            force=force,
        )

    await apply("one", a="1")
    shared = await apply("two", b="2")

    with pytest.raises(kube.ConflictError) as caught:
        await apply("two", a="9", b="2")
    forced = await apply("two", force=True, a="9", b="2")

    assert shared["data"] == {"a": "1", "b": "2"}
    assert str(caught.value) == 'Apply failed with 1 conflict: conflict with "one": .data.a'
    assert (
        kube.Cause(".data.a", "FieldManagerConflict", 'conflict with "one"'),
    ) == caught.value.causes
    assert forced["data"] == {"a": "9", "b": "2"}


async def test_apply_that_asks_for_metadata_gets_no_more(
    client: kube.Client, namespace: str
) -> None:
    answer = await client.apply(
        kube.CONFIG_MAPS,
        config_map(a="1"),
        namespace=namespace,
        field_manager="one",
        answers_metadata=True,
    )
    stored = await client.get(kube.CONFIG_MAPS, "x", namespace=namespace)

    assert answer.keys() == {"apiVersion", "kind", "metadata"}
    assert answer["kind"] == "PartialObjectMetadata"
    assert answer["metadata"] == stored["metadata"]


async def test_object_is_read_as_of_a_version_or_later(client: kube.Client, namespace: str) -> None:
    await client.create(kube.CONFIG_MAPS, config_map(a="1"), namespace=namespace)
    changed = await client.patch(kube.CONFIG_MAPS, "x", {"data": {"a": "2"}}, namespace=namespace)

    found = await client.get(
        kube.CONFIG_MAPS,
        "x",
        namespace=namespace,
        not_older_than=changed["metadata"]["resourceVersion"],
    )

    assert found == changed


async def test_field_left_out_of_an_apply_goes_away(client: kube.Client, namespace: str) -> None:
    before, after = [
        await client.apply(kube.CONFIG_MAPS, body, namespace=namespace, field_manager="one")
        for body in (config_map(a="1", b="2"), config_map(b="2"))
    ]

    assert before["data"] == {"a": "1", "b": "2"}
    assert after["data"] == {"b": "2"}
    (entry,) = after["metadata"]["managedFields"]
    assert (entry["manager"], entry["operation"]) == ("one", "Apply")


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("merge", {"data": {"a": None, "b": "2"}}),
        ("strategic", {"data": {"a": None, "b": "2"}}),
        (
            "json",
            [
                {"op": "test", "path": "/data/a", "value": "1"},
                {"op": "remove", "path": "/data/a"},
                {"op": "add", "path": "/data/b", "value": "2"},
            ],
        ),
    ],
)
async def test_patch_of_each_kind_changes_the_object(
    client: kube.Client, namespace: str, kind: requests.PatchKind, changes: kube.JSON
) -> None:
    await client.create(kube.CONFIG_MAPS, config_map(a="1"), namespace=namespace)

    patched = await client.patch(
        kube.CONFIG_MAPS, "x", changes, kind=kind, namespace=namespace, field_manager="patcher"
    )

    assert patched["data"] == {"b": "2"}
    assert "patcher" in [entry["manager"] for entry in patched["metadata"]["managedFields"]]


async def test_failed_test_of_a_json_patch_changes_nothing(
    client: kube.Client, namespace: str
) -> None:
    created = await client.create(kube.CONFIG_MAPS, config_map(a="1"), namespace=namespace)
    changes = [
        {"op": "test", "path": "/data/a", "value": "other"},
        {"op": "remove", "path": "/data/a"},
    ]

    with pytest.raises(kube.InvalidError):
        await client.patch(kube.CONFIG_MAPS, "x", changes, kind="json", namespace=namespace)

    assert created == await client.get(kube.CONFIG_MAPS, "x", namespace=namespace)


async def test_dry_run_of_every_writing_verb_stores_nothing(
    client: kube.Client, namespace: str
) -> None:
    stored = await client.create(kube.CONFIG_MAPS, config_map(a="1"), namespace=namespace)
    changed = config_map(a="2") | {"metadata": stored["metadata"]}
    unmanaged = config_map(a="2")

    created = await client.create(
        kube.CONFIG_MAPS, config_map("y"), namespace=namespace, dry_run=True
    )
    replaced = await client.replace(kube.CONFIG_MAPS, changed, dry_run=True)
    applied = await client.apply(
        kube.CONFIG_MAPS,
        unmanaged,
        namespace=namespace,
        field_manager="m",
        force=True,
        dry_run=True,
    )
    patched = await client.patch(
        kube.CONFIG_MAPS, "x", {"data": {"a": "2"}}, namespace=namespace, dry_run=True
    )
    await client.delete(kube.CONFIG_MAPS, "x", namespace=namespace, dry_run=True)

    assert created["metadata"]["name"] == "y"
    assert [replaced["data"], applied["data"], patched["data"]] == [{"a": "2"}] * 3
    assert [stored] == list((await client.list(kube.CONFIG_MAPS, namespace=namespace)).items)


async def test_delete_holds_its_preconditions(client: kube.Client, namespace: str) -> None:
    created = await client.create(kube.CONFIG_MAPS, config_map(), namespace=namespace)
    uid = created["metadata"]["uid"]

    with pytest.raises(kube.ConflictError) as by_uid:
        await client.delete(kube.CONFIG_MAPS, "x", namespace=namespace, uid="other")
    with pytest.raises(kube.ConflictError) as by_version:
        await client.delete(kube.CONFIG_MAPS, "x", namespace=namespace, resource_version="1")
    await client.delete(kube.CONFIG_MAPS, "x", namespace=namespace, uid=uid)

    assert "the UID in the precondition (other) does not match" in str(by_uid.value)
    assert "the ResourceVersion in the precondition (1) does not match" in str(by_version.value)
    with pytest.raises(kube.NotFoundError):
        await client.get(kube.CONFIG_MAPS, "x", namespace=namespace)


async def test_foreground_delete_returns_the_object_that_waits(
    client: kube.Client, namespace: str
) -> None:
    await client.create(kube.CONFIG_MAPS, config_map(), namespace=namespace)

    waiting = await client.delete(
        kube.CONFIG_MAPS, "x", namespace=namespace, propagation="Foreground"
    )

    assert waiting["metadata"]["finalizers"] == ["foregroundDeletion"]
    assert "deletionTimestamp" in waiting["metadata"]


async def test_custom_resource_goes_through_every_verb(
    client: kube.Client, namespace: str, things: kube.Resource
) -> None:
    created = await client.create(things, of(things, thing(size=1)), namespace=namespace)
    replaced = await client.replace(things, created | {"spec": {"size": 2}})
    patched = await client.patch(things, "x", {"spec": {"size": 3}}, namespace=namespace)
    applied = await client.apply(
        things,
        {"metadata": {"name": "x"}, "spec": {"size": 4}},
        namespace=namespace,
        field_manager="m",
        force=True,
    )
    listed = await client.list(things, namespace=namespace)
    await client.delete(things, "x", namespace=namespace)

    sizes = [answer["spec"]["size"] for answer in (created, replaced, patched, applied)]
    assert sizes == [1, 2, 3, 4]
    assert (applied,) == listed.items
    assert (await client.list(things, namespace=namespace)).items == ()


async def test_status_is_written_apart_from_the_spec(
    client: kube.Client, namespace: str, things: kube.Resource
) -> None:
    body = of(things, thing(size=1)) | {"status": {"phase": "Ignored"}}
    created = await client.create(things, body, namespace=namespace)
    both = created | {"spec": {"size": 9}, "status": {"phase": "Ready"}}

    replaced = await client.replace(things, both, subresource="status")
    applied = await client.apply(
        things,
        {"metadata": {"name": "x"}, "status": {"phase": "Done"}},
        namespace=namespace,
        subresource="status",
        field_manager="m",
        force=True,
    )
    patched = await client.patch(
        things, "x", {"status": {"phase": "Over"}}, namespace=namespace, subresource="status"
    )

    assert "status" not in created
    assert (replaced["spec"], replaced["status"]) == ({"size": 1}, {"phase": "Ready"})
    assert applied["status"] == {"phase": "Done"}
    assert patched["status"] == {"phase": "Over"}
    assert patched == await client.get(things, "x", namespace=namespace, subresource="status")


async def test_invalid_object_is_refused_with_its_field(
    client: kube.Client, namespace: str, things: kube.Resource
) -> None:
    with pytest.raises(kube.InvalidError) as caught:
        await client.create(things, of(things, thing(size=11)), namespace=namespace)

    (cause,) = caught.value.causes
    assert cause.field == "spec.size"
    assert "spec.size in body should be less than or equal to 10" in str(caught.value)


async def test_unknown_field_is_refused_warned_of_or_passed_over(
    api_server: Any, namespace: str, things: kube.Resource
) -> None:
    body = of(things, thing(colour="red"))
    warnings: list[str] = []
    async with kube.Client.from_kubeconfig(
        api_server.admin_kubeconfig, on_warning=warnings.append
    ) as client:
        with pytest.raises(kube.ApiError) as caught:
            await client.create(things, body, namespace=namespace, field_validation="Strict")
        await client.create(
            things, body, namespace=namespace, field_validation="Ignore", dry_run=True
        )
        ignored = list(warnings)
        await client.create(things, body, namespace=namespace, field_validation="Warn")

    assert 'strict decoding error: unknown field "spec.colour"' in str(caught.value)
    assert ignored == []
    assert warnings == ['unknown field "spec.colour"']


async def test_list_follows_pages(client: kube.Client, namespace: str) -> None:
    names = [f"m{number}" for number in range(7)]
    for name in names:
        await client.create(kube.CONFIG_MAPS, config_map(name), namespace=namespace)

    paged = await client.list(kube.CONFIG_MAPS, namespace=namespace, page_size=3)
    whole = await client.list(kube.CONFIG_MAPS, namespace=namespace)

    assert names == [item["metadata"]["name"] for item in paged.items]
    assert whole.items == paged.items


async def test_list_selects_by_label_and_field(client: kube.Client, namespace: str) -> None:
    for name, tier in (("x", "a"), ("y", "b"), ("z", "b")):
        body = {"metadata": {"name": name, "labels": {"tier": tier}}}
        await client.create(kube.CONFIG_MAPS, body, namespace=namespace)

    labelled = await client.list(kube.CONFIG_MAPS, namespace=namespace, labels="tier!=a")
    named = await client.list(
        kube.CONFIG_MAPS, namespace=namespace, labels="tier=b", fields="metadata.name=z"
    )

    assert [item["metadata"]["name"] for item in labelled.items] == ["y", "z"]
    assert [item["metadata"]["name"] for item in named.items] == ["z"]


async def test_watch_tells_what_happens_after_a_listing(
    client: kube.Client, namespace: str, things: kube.Resource
) -> None:
    listing = await client.list(things, namespace=namespace)
    created = await client.create(things, of(things, thing(size=1)), namespace=namespace)
    await client.patch(things, "x", {"spec": {"size": 2}}, namespace=namespace)
    await client.delete(things, "x", namespace=namespace)

    watch = client.watch(things, namespace=namespace, resource_version=listing.resource_version)
    changes = []
    async for event in watch:
        changes += [event] if event.type != "BOOKMARK" else []
        if event.type == "DELETED":
            break
    await watch.aclose()

    assert [event.type for event in changes] == ["ADDED", "MODIFIED", "DELETED"]
    assert [event.object["spec"]["size"] for event in changes] == [1, 2, 2]
    assert created["metadata"]["resourceVersion"] == changes[0].resource_version


async def test_watch_ends_when_the_api_server_ends_it(client: kube.Client, namespace: str) -> None:
    watch = client.watch(kube.CONFIG_MAPS, namespace=namespace, timeout_seconds=1)

    events = [event async for event in watch]

    # Bookmarks come at the API server's discretion.
    assert {event.type for event in events} <= {"BOOKMARK"}


async def test_watch_without_a_resource_version_begins_with_what_is_there(
    client: kube.Client, namespace: str
) -> None:
    await client.create(kube.CONFIG_MAPS, config_map("x"), namespace=namespace)

    async with contextlib.aclosing(client.watch(kube.CONFIG_MAPS, namespace=namespace)) as watch:
        first = await anext(watch)

    assert (first.type, first.object["metadata"]["name"]) == ("ADDED", "x")


async def test_watch_of_forgotten_history_is_gone(
    client: kube.Client, things: kube.Resource
) -> None:
    # The history of a kind begins with its CRD.
    watch = client.watch(things, resource_version="1")

    with pytest.raises(kube.GoneError) as caught:
        await anext(watch)

    assert caught.value.code == 410
    assert "too old resource version: 1" in str(caught.value)


async def test_user_without_rights_is_told_so_by_every_verb(
    api_server: Any, namespace: str
) -> None:
    body = config_map() | {"metadata": {"name": "x", "namespace": namespace}}
    async with kube.Client.from_kubeconfig(api_server.least_kubeconfig) as least:
        attempts = {
            "get": least.get(kube.CONFIG_MAPS, "x", namespace=namespace),
            "list": least.list(kube.CONFIG_MAPS, namespace=namespace),
            "create": least.create(kube.CONFIG_MAPS, body),
            "update": least.replace(kube.CONFIG_MAPS, body),
            "patch": least.apply(kube.CONFIG_MAPS, body, field_manager="m"),
            "delete": least.delete(kube.CONFIG_MAPS, "x", namespace=namespace),
            "watch": anext(least.watch(kube.CONFIG_MAPS, namespace=namespace)),
        }
        said = {}
        for verb, attempt in attempts.items():
            with pytest.raises(kube.ForbiddenError) as caught:
                await attempt
            said[verb] = str(caught.value)

    for verb, sentence in said.items():
        assert f'cannot {verb} resource "configmaps"' in sentence
        assert f'in the namespace "{namespace}"' in sentence


async def test_closed_client_says_how_to_open_it(api_server: Any) -> None:
    client = kube.Client.from_kubeconfig(api_server.admin_kubeconfig)
    async with client:
        pass

    with pytest.raises(kube.ConfigurationError, match="expected an open client, got a closed one"):
        await client.get(kube.NAMESPACES, "default")


async def test_client_can_be_opened_again(api_server: Any) -> None:
    client = kube.Client.from_kubeconfig(api_server.admin_kubeconfig)
    async with client:
        pass

    async with client:
        got = await client.get(kube.NAMESPACES, "default")

    assert got["metadata"]["name"] == "default"
