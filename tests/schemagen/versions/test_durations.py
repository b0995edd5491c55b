"""Durations as text."""

from hypothesis import given
from hypothesis import strategies as st

from schemagen.versions import durations


@given(st.integers(0, 2**31 - 1))
def test_seconds_survive_as_a_duration(seconds: int) -> None:
    assert seconds == durations.seconds_of(durations.text_of(seconds))
