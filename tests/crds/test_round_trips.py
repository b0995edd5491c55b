"""Nothing is lost between versions: for objects of the schema, and for objects that break it.

`make prove-roundtrip` draws 200,000 with what users change in between; here are a few of each kind.
"""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

import crds
from schemagen import Kind
from tests.support import depth, round_trips

CASES = [
    pytest.param(kind, version, other, id=f"{kind.name}-{version}-via-{other}")
    for kind, version, other in round_trips.CASES
]
# The same draws each time: other ones are the proof's, by SEED.
MANY = settings(
    max_examples=depth.draws(50),
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize(("kind", "version", "other"), CASES)
def test_objects_of_the_schema_come_back_as_they_were(kind: Kind, version: str, other: str) -> None:
    @MANY
    @given(round_trips.of_the_schema(kind, version))
    def check(value: dict[str, Any]) -> None:
        round_trips.assert_nothing_is_lost(kind, value, version, other)

    check()


@pytest.mark.parametrize(("kind", "version", "other"), CASES)
def test_objects_that_break_the_schema_keep_what_fits_it(
    kind: Kind, version: str, other: str
) -> None:
    @MANY
    @given(round_trips.breaking_the_schema(kind, version))
    def check(value: dict[str, Any]) -> None:
        round_trips.assert_what_fits_comes_back(kind, value, version, other)

    check()


def test_versions_can_be_looked_up_by() -> None:
    """Caches are kept by version (``checking.of_version``), conversion and all."""
    versions = [version for kind in crds.api for version in kind.versions]

    assert len(versions) == len(set(versions))
