"""A patch turns the old value into the new one, and changes nothing else."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemagen import canonical
from tests.support import depth, objects
from webhooks.review import patch

KEYS = st.sampled_from(["a", "b", "a/b", "~", "~1", ""])
VALUES = st.recursive(
    objects.SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=depth.draws(500))
@given(VALUES, VALUES)
def test_patch_applied_gives_the_new_value(old: Any, new: Any) -> None:
    result = patch.applied(old, patch.diff(old, new))

    assert canonical.dumps(new) == canonical.dumps(result)


@given(VALUES)
def test_equal_values_need_no_patch(value: Any) -> None:
    assert [] == patch.diff(value, value)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, [{"op": "add", "path": "/b", "value": 2}]),
        ({"a": 1, "b": 2}, {"a": 1}, [{"op": "remove", "path": "/b"}]),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, [{"op": "replace", "path": "/a/b", "value": 2}]),
        ({"a/b": {"~": 1}}, {"a/b": {"~": 2}}, [{"op": "replace", "path": "/a~1b/~0", "value": 2}]),
        ([1], [1, 2], [{"op": "add", "path": "/1", "value": 2}]),
        ([1, 2, 3], [1], [{"op": "remove", "path": "/2"}, {"op": "remove", "path": "/1"}]),
        ({"a": 1}, {"a": True}, [{"op": "replace", "path": "/a", "value": True}]),
        ({"a": [{"x": 1}]}, {"a": [{"x": 2}]}, [{"op": "replace", "path": "/a/0/x", "value": 2}]),
    ],
)
def test_only_what_differs_is_patched(old: Any, new: Any, expected: Any) -> None:
    assert expected == patch.diff(old, new)
