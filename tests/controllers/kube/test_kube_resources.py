import pytest

from controllers import kube

PODS = kube.Resource("", "v1", "pods", "Pod")


@pytest.mark.parametrize(
    ("resource", "address", "expected"),
    [
        (PODS, {}, "/api/v1/pods"),
        (PODS, {"namespace": "a"}, "/api/v1/namespaces/a/pods"),
        (PODS, {"namespace": "a", "name": "b"}, "/api/v1/namespaces/a/pods/b"),
        (
            PODS,
            {"namespace": "a", "name": "b", "subresource": "status"},
            "/api/v1/namespaces/a/pods/b/status",
        ),
        (kube.NAMESPACES, {"name": "a"}, "/api/v1/namespaces/a"),
        (
            kube.CLUSTER_ROLES,
            {"name": "system:node reader"},
            "/apis/rbac.authorization.k8s.io/v1/clusterroles/system:node%20reader",
        ),
        (
            PODS,
            {"namespace": "a", "name": "b", "subresource": "proxy/healthz"},
            "/api/v1/namespaces/a/pods/b/proxy/healthz",
        ),
    ],
)
def test_path_addresses_objects_and_collections(
    resource: kube.Resource, address: dict[str, str], expected: str
) -> None:
    assert expected == resource.path(**address)


@pytest.mark.parametrize(
    ("resource", "address", "message"),
    [
        (PODS, {"name": "b"}, "expected a namespace for pods 'b', which is namespaced, got none"),
        (
            kube.CLUSTER_ROLES,
            {"namespace": "a"},
            (
                "expected no namespace for clusterroles.rbac.authorization.k8s.io, which is "
                "cluster-scoped, got 'a'"
            ),
        ),
        (
            PODS,
            {"namespace": "a", "subresource": "status"},
            "expected a name for subresource 'status' of pods, got none",
        ),
    ],
)
def test_incomplete_address_is_refused(
    resource: kube.Resource, address: dict[str, str], message: str
) -> None:
    with pytest.raises(kube.AddressError) as caught:
        resource.path(**address)

    assert message == str(caught.value)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a%2fb"])
@pytest.mark.parametrize("part", ["namespace", "name"])
def test_name_that_would_leave_its_path_segment_is_refused(part: str, name: str) -> None:
    address = {"namespace": "a", "name": "b"} | {part: name}

    with pytest.raises(kube.AddressError, match=f"expected a non-empty {part}"):
        PODS.path(**address)


def test_api_version_of_the_core_group_has_no_slash() -> None:
    assert PODS.api_version == "v1"
    assert kube.ROLES.api_version == "rbac.authorization.k8s.io/v1"
