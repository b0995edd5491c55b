"""A store and its indexes, compared with a plain dictionary."""

import asyncio

import hypothesis
from hypothesis import strategies

from controllers import kube


class Pod(kube.Projection, frozen=True):
    """A view with an indexed field."""


def pod(name: str, version: int, *owners: str, uid: str = "") -> Pod:
    return Pod(
        metadata=kube.Metadata(
            name=name,
            namespace="ns",
            uid=uid or name,
            resource_version=str(version),
            owner_references=tuple(kube.OwnerReference(uid=owner) for owner in owners),
        )
    )


def by_owner(value: Pod) -> list[str]:
    return [owner.uid for owner in value.metadata.owner_references]


PODS = strategies.builds(
    lambda name, version, owners: pod(name, version, *owners),
    strategies.sampled_from("abc"),
    strategies.integers(1, 9),
    strategies.sets(strategies.sampled_from("xyz")),
)
STEPS = strategies.lists(
    strategies.one_of(
        PODS,
        strategies.sampled_from("abc"),
        strategies.tuples(
            strategies.integers(1, 9), strategies.lists(PODS, unique_by=lambda one: one.key)
        ),
    )
)


def version_of(value: Pod) -> int:
    return int(value.metadata.resource_version)


@hypothesis.given(STEPS)
def test_index_has_what_a_search_finds_and_changes_lead_from_before_to_after(
    steps: list[Pod | str | tuple[int, list[Pod]]],
) -> None:
    store = kube.Store[Pod]({"owner": by_owner})
    seen: dict[kube.Key, Pod] = {}
    reached = 0

    for step in steps:
        if isinstance(step, Pod):
            changes = [store.put(step)]
        elif isinstance(step, str):
            changes = [store.drop(kube.Key("ns", step))]
        else:
            listed, pods = step
            own = {one.key: one for one in seen.values() if version_of(one) > listed >= reached}
            changes = [*store.replace(pods, resource_version=str(listed))]
            assert {one.key: one for one in pods} | own == {one.key: one for one in store}
            reached = listed
        for change in changes:
            if change is None:
                continue
            assert seen.get(change.key) == change.before
            if change.after is None:
                del seen[change.key]
            else:
                seen[change.key] = change.after

    assert seen == {one.key: one for one in store}
    for owner in "xyz":
        found = {one.key for one in store.by("owner", owner)}
        assert {key for key, one in seen.items() if owner in by_owner(one)} == found


def test_list_of_a_restored_backup_replaces_what_is_newer_than_it() -> None:
    store = kube.Store[Pod]()
    store.replace([pod("a", 5), pod("b", 8), pod("c", 9), pod("d", 4, "x")], resource_version="9")

    changes = store.replace([pod("a", 5), pod("b", 3), pod("d", 4, "y")], resource_version="6")
    later = store.put(pod("b", 7))

    assert {"a": "5", "b": "7", "d": "4"} == {
        one.metadata.name: one.metadata.resource_version for one in store
    }
    told = [
        (c.key.name, c.before and version_of(c.before), c.after and version_of(c.after))
        for c in changes
    ]
    assert [("c", 9, None), ("b", 8, 3), ("d", 4, 4)] == told
    assert later == kube.Change(kube.Key("ns", "b"), pod("b", 3), pod("b", 7))


def test_list_that_lags_behind_an_own_write_leaves_it() -> None:
    """It was served while the write happened: the watch from the list will deliver it."""
    store = kube.Store[Pod]()
    store.replace([pod("a", 5), pod("old", 5)], resource_version="6")
    store.put(pod("a", 8))
    store.put(pod("new", 9))

    changes = store.replace([pod("a", 5)], resource_version="7")

    assert {"a": "8", "new": "9"} == {
        one.metadata.name: one.metadata.resource_version for one in store
    }
    assert ["old"] == [change.key.name for change in changes]


async def test_restored_backup_wakes_who_waits_for_a_write_that_is_lost() -> None:
    store = kube.Store[Pod]()
    store.reached("9")
    lost = asyncio.ensure_future(store.wait_for("12"))
    await asyncio.sleep(0)

    store.replace([], resource_version="6")
    async with asyncio.timeout(120):
        await lost
    later = asyncio.ensure_future(store.wait_for("8"))
    await asyncio.sleep(0)
    store.reached("7")
    await asyncio.sleep(0)
    was_early = later.done()
    store.reached("8")
    async with asyncio.timeout(120):
        await later

    assert not was_early


def test_versions_that_are_no_numbers_make_a_list_the_whole_truth() -> None:
    store = kube.Store[Pod]()
    store.put(Pod(metadata=kube.Metadata(name="a", resource_version="x")))
    fresh = Pod(metadata=kube.Metadata(name="b", resource_version="y"))

    store.replace([fresh], resource_version="")

    assert [fresh] == [*store]


def test_older_object_changes_nothing_but_one_made_anew_does() -> None:
    store = kube.Store[Pod]()
    store.put(pod("a", 5))

    assert store.put(pod("a", 4)) is None
    assert store.put(pod("a", 3, uid="other")) is not None
    assert "3" == store.get(kube.Key("ns", "a")).metadata.resource_version  # type: ignore[union-attr]


async def test_who_waits_for_a_write_is_woken_when_it_was_seen() -> None:
    store = kube.Store[Pod]()
    waits = [asyncio.ensure_future(store.wait_for(one)) for one in ("3", "5")]
    await asyncio.sleep(0)

    store.reached("4")
    await asyncio.sleep(0)
    first = [one.done() for one in waits]
    store.reached("5")
    await asyncio.gather(*waits)
    await store.wait_for("2")

    assert [True, False] == first
