"""The controller's memory for users' data is bounded, or as small as its text."""

import json
import tracemalloc
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers import kube
from controllers.kube.watch.projections import Decoder
from controllers.runs import projections

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 99) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=3), inner),
)


@given(st.lists(VALUES, min_size=1))
def test_memory_of_a_value_is_not_underestimated_by_much(value: Any) -> None:
    text = msgspec.json.encode(value)
    tracemalloc.start()
    kept = [msgspec.json.decode(text) for _ in range(10)]
    took, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert took / len(kept) < 8 * kube.memory_bytes(value) + 200


def test_agent_of_many_small_parts_is_kept_as_its_text() -> None:
    spec = {"providerRef": {"name": "p"}, "env": [{"name": "a"}] * 20_000}
    body = {"metadata": {"name": "a", "namespace": "team", "resourceVersion": "3"}, "spec": spec}
    line = json.dumps({"type": "ADDED", "object": body}).encode()
    decoder = Decoder(projections.Whole)
    tracemalloc.start()
    seen = decoder.event(line, "")
    took, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert seen is not None
    assert seen.object is not None
    assert ("p", spec) == (seen.object.provider, seen.object.decoded())
    assert took < 1.2 * len(line)


@pytest.mark.parametrize("spec", ['{"providerRef":7}', '{"providerRef":{"name":[]}}', "[]", "{}"])
def test_agent_without_a_readable_provider_names_none(spec: str) -> None:
    line = f'{{"type":"ADDED","object":{{"metadata":{{"name":"a"}},"spec":{spec}}}}}'
    seen = Decoder(projections.Whole).event(line.encode(), "")

    assert seen is not None
    assert seen.object is not None
    assert "" == seen.object.provider
