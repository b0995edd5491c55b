"""Every sample is applied to a real API server, and read in both versions; kubectl explains one."""

import os
import pathlib
from typing import Any

import pytest

import crds
from controllers import kube
from schemagen import yaml
from tests.e2e.conftest import Platform

pytestmark = pytest.mark.e2e

ROOT = pathlib.Path(crds.__file__).parent
EXPLAINED = pathlib.Path(__file__).parents[1] / "data" / "explain"
SAMPLES = [
    pytest.param(value, id=f"{path.parent.name}-{path.stem}-{index}")
    for path in sorted((ROOT / "samples").rglob("*.yaml"))
    for index, value in enumerate(yaml.load_all(path.read_bytes()))
]


def resources(value: dict[str, Any]) -> list[kube.Resource]:
    """The kind of an object in each of its versions, its own first."""
    found = crds.api.find(value["apiVersion"], value["kind"])
    assert found is not None
    kind, own = found
    versions = sorted(kind.versions, key=lambda version: version is not own)
    return [
        kube.Resource(crds.api.group, version.name, kind.plural, kind.name) for version in versions
    ]


@pytest.mark.parametrize("value", SAMPLES)
async def test_a_sample_is_applied_and_read_in_both_versions(
    platform: Platform, value: dict[str, Any]
) -> None:
    own, other = resources(value)
    name = value["metadata"]["name"]

    tried = await platform.client.apply(
        own, value, field_manager="tests", namespace=platform.namespace, dry_run=True
    )
    applied = await platform.client.apply(
        own, value, field_manager="tests", namespace=platform.namespace
    )
    read = await platform.client.get(own, name, namespace=platform.namespace)
    converted = await platform.client.get(other, name, namespace=platform.namespace)
    again = await platform.client.replace(other, converted)
    back = await platform.client.get(own, name, namespace=platform.namespace)

    assert tried["spec"] == applied["spec"] == read["spec"] == back["spec"]
    assert _is_within(value["spec"], read["spec"])
    assert converted["spec"] == again["spec"]
    assert other.api_version == converted["apiVersion"]


def _is_within(part: Any, whole: Any) -> bool:
    """Whether all that was written is there; defaults may have joined it."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(name in whole and _is_within(one, whole[name]) for name, one in part.items())
    return bool(part == whole) or (
        isinstance(part, list)
        and isinstance(whole, list)
        and len(part) == len(whole)
        and all(map(_is_within, part, whole))
    )


@pytest.mark.parametrize("version", ["v1alpha1", "v1beta1"])
def test_kubectl_explains_a_kind(platform: Platform, version: str) -> None:
    said = platform.kubectl(
        "explain", "agentruns.spec", f"--api-version={crds.api.group}/{version}"
    ).stdout
    golden = EXPLAINED / f"agentruns.spec.{version}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(said)

    assert golden.read_text() == said
    assert "<no description>" not in said
