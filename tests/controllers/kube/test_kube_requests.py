import orjson
import pytest

from controllers import kube
from controllers.kube import requests

SELECTED = requests.Selection(namespace="a", labels="app=x,tier!=y", fields="metadata.name=z")


def test_page_carries_selectors_limit_and_continuation() -> None:
    request = requests.list_page(kube.SECRETS, SELECTED, limit=5, continuation="t/+=")

    assert request.method == "GET"
    assert request.target == (
        "/api/v1/namespaces/a/secrets?labelSelector=app%3Dx%2Ctier%21%3Dy"
        "&fieldSelector=metadata.name%3Dz&limit=5&continue=t%2F%2B%3D"
    )


def test_watch_asks_for_bookmarks() -> None:
    request = requests.watch(kube.SECRETS, SELECTED, resource_version="7", timeout_seconds=9)

    assert {
        ("watch", "true"),
        ("allowWatchBookmarks", "true"),
        ("resourceVersion", "7"),
        ("timeoutSeconds", "9"),
    } <= set(request.query)


def test_create_takes_the_namespace_from_the_object() -> None:
    body = {"metadata": {"name": "x", "namespace": "a"}}

    request = requests.create(kube.SECRETS, body)

    assert str(request) == "POST /api/v1/namespaces/a/secrets"


def test_create_without_a_namespace_is_refused() -> None:
    with pytest.raises(kube.AddressError, match="expected a namespace for a new Secret"):
        requests.create(kube.SECRETS, {"metadata": {"name": "x"}})


def test_two_namespaces_for_one_object_are_refused() -> None:
    body = {"metadata": {"name": "x", "namespace": "a"}}

    with pytest.raises(kube.AddressError, match="got 'b' by argument and 'a' in metadata"):
        requests.replace(kube.SECRETS, body, namespace="b")


def test_options_become_query_parameters() -> None:
    request = requests.replace(
        kube.SECRETS,
        {"metadata": {"name": "x"}},
        namespace="a",
        field_manager="m",
        field_validation="Strict",
        dry_run=True,
    )

    assert request.method == "PUT"
    assert request.query == (
        ("fieldManager", "m"),
        ("fieldValidation", "Strict"),
        ("dryRun", "All"),
    )


def test_apply_adds_the_type_that_the_api_server_wants() -> None:
    request = requests.apply(
        kube.ROLES,
        {"metadata": {"name": "x"}},
        namespace="a",
        force=True,
        field_manager="m",
    )

    assert request.content_type == "application/apply-patch+yaml"
    assert ("force", "true") in request.query
    assert orjson.loads(request.body or b"") == {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "x"},
    }


def test_read_of_a_version_or_later_may_come_from_the_cache() -> None:
    now, later = (
        requests.get(kube.ROLES, "x", namespace="a", not_older_than=version)
        for version in (None, "41")
    )

    assert now.query == ()
    assert later.target == f"{now.path}?resourceVersion=41"


def test_apply_may_ask_for_metadata_only() -> None:
    whole, metadata = (
        requests.apply(
            kube.ROLES,
            {"metadata": {"name": "x"}},
            namespace="a",
            force=False,
            answers_metadata=answers_metadata,
            field_manager="m",
        )
        for answers_metadata in (False, True)
    )

    assert whole.accepts == "application/json"
    assert metadata.accepts == "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"


def test_apply_without_a_field_manager_is_refused() -> None:
    body = {"metadata": {"name": "x"}}

    with pytest.raises(kube.AddressError, match="expected a field manager to apply Role 'x'"):
        requests.apply(
            kube.ROLES,
            body,
            namespace="a",
            force=False,
            field_manager="",
        )


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        ("json", {"a": 1}, "expected a list of operations for a json patch of Role 'x', got dict"),
        ("merge", [{"op": "add"}], "expected a mapping for a merge patch of Role 'x', got list"),
    ],
)
def test_patch_of_the_other_kind_is_refused(
    kind: requests.PatchKind, changes: kube.JSON, message: str
) -> None:
    with pytest.raises(kube.AddressError) as caught:
        requests.patch(kube.ROLES, "x", changes, kind=kind, namespace="a")

    assert message == str(caught.value)


def test_delete_states_preconditions_and_propagation() -> None:
    request = requests.delete(
        kube.ROLES,
        "x",
        namespace="a",
        propagation="Foreground",
        uid="u",
        resource_version="7",
        dry_run=True,
    )

    assert orjson.loads(request.body or b"") == {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "propagationPolicy": "Foreground",
        "preconditions": {"uid": "u", "resourceVersion": "7"},
        "dryRun": ["All"],
    }


def test_object_without_a_name_is_refused() -> None:
    with pytest.raises(kube.AddressError, match="expected the object's name"):
        requests.replace(kube.ROLES, {"metadata": {}}, namespace="a")


def test_repr_of_a_request_keeps_the_body_to_itself() -> None:
    body = {"metadata": {"name": "x"}, "stringData": {"password": "hunter2"}}

    request = requests.create(kube.SECRETS, body, namespace="a")

    assert b"hunter2" in (request.body or b"")
    assert "hunter2" not in repr(request)
