"""Whatever order observations of an issue arrive in, the newest stays."""

import dataclasses
import datetime as dt
import itertools

import pytest

from controllers import kube
from controllers.sources import mapping, replay
from controllers.sources.api_constants import Ending, Provider, Skip
from controllers.sources.issues import Issue, Observation, Rank, Version
from controllers.sources.source_view import Source

NOON = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
SOURCE = kube.view_of(
    Source,
    {
        "metadata": {"name": "issues", "namespace": "team", "uid": "1"},
        "spec": {"github": {"repository": "a/b", "labels": ["ready"]}},
    },
)
ISSUE = Issue(
    provider=Provider.GITHUB,
    external_id="a/b#1",
    url="",
    title="first",
    body="",
    labels=("Ready",),
    updated=NOON,
    repository="a/b",
)


def seen(
    title: str,
    seconds: int,
    rank: Rank = Rank.DELIVERED,
    ending: Ending | None = None,
    labels: tuple[str, ...] = ("ready",),
) -> Observation:
    updated = NOON + dt.timedelta(seconds=seconds)
    issue = dataclasses.replace(ISSUE, title=title, labels=labels, updated=updated)
    return Observation(issue, rank, ending)


def after(known: kube.JSON | None, observation: Observation) -> kube.JSON | None:
    """The ImplementationSpec after an observation."""
    if replay.skip(SOURCE, observation, known) is not None:
        return known
    if replay.ending(SOURCE, observation) is not None:
        return mapping.orphan(SOURCE, observation.issue, observation.version)
    return mapping.spec(SOURCE, observation.issue, observation.version)


@pytest.mark.parametrize("order", [*itertools.permutations(range(4))])
def test_the_newest_observation_stays_in_any_order(order: tuple[int, ...]) -> None:
    history = [
        seen("opened", 0),
        seen("edited", 1),
        seen("read", 1, Rank.READ),
        seen("closed", 2),
    ]
    known: kube.JSON | None = None

    for index in (*order, *order):
        known = after(known, history[index])

    assert known is not None
    assert "closed" == known["spec"]["text"]


@pytest.mark.parametrize("order", [*itertools.permutations(range(3))])
def test_a_deleted_issue_ends_orphaned_in_any_order(order: tuple[int, ...]) -> None:
    history = [
        seen("opened", 0),
        seen("edited", 1),
        seen("edited", 1, ending=Ending.DELETED),
    ]
    known: kube.JSON | None = None

    for index in (*order, *order):
        known = after(known, history[index])

    assert known is not None
    assert "orphaned" == known["metadata"]["labels"]["agents.proompteng.ai/source-state"]
    assert "edited" == known["spec"]["text"]


def test_an_issue_that_lost_its_label_is_orphaned_and_comes_back_with_it() -> None:
    known = after(None, seen("opened", 0))

    left = after(known, seen("later", 1, labels=("other",)))
    back = after(left, seen("back", 2))

    assert left is not None
    assert back is not None
    assert ("orphaned", "later") == (
        left["metadata"]["labels"]["agents.proompteng.ai/source-state"],
        left["spec"]["text"],
    )
    assert ("open", "back") == (
        back["metadata"]["labels"]["agents.proompteng.ai/source-state"],
        back["spec"]["text"],
    )


def test_an_object_of_someone_else_is_not_overwritten() -> None:
    known = after(None, seen("opened", 0))
    assert known is not None
    del known["metadata"]["labels"]

    assert Skip.OTHER_SCOPE == replay.skip(SOURCE, seen("edited", 1), known)


@pytest.mark.parametrize(
    "text",
    ["", "now delivered", "2026-01-01T12:00:00 read", "2026-01-01T12:00:00Z stolen", "x" * 99],
)
def test_an_edited_version_is_no_version(text: str) -> None:
    assert Version.parse(text) is None


@pytest.mark.parametrize("rank", Rank)
@pytest.mark.parametrize("milliseconds", [0, 747])
def test_a_version_survives_its_text(rank: Rank, milliseconds: int) -> None:
    version = Version(NOON + dt.timedelta(milliseconds=milliseconds), rank)

    assert version == Version.parse(str(version))


def test_a_repeated_delivery_id_with_another_body_is_another_delivery() -> None:
    recent = replay.RecentDeliveries(max_remembered=2)

    recent.add("uid", "id", "signature")

    assert recent.has("uid", "id", "signature")
    assert not recent.has("uid", "id", "other")
    assert not recent.has("other", "id", "signature")


def test_only_the_last_deliveries_are_remembered() -> None:
    recent = replay.RecentDeliveries(max_remembered=2)

    for number in range(3):
        recent.add("uid", str(number), "signature")

    assert [False, True, True] == [recent.has("uid", str(n), "signature") for n in range(3)]
