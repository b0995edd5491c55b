"""A store and its indexes, against what is plainly true of a dictionary."""

import asyncio

import hypothesis
from hypothesis import strategies

from controllers import kube


class Pod(kube.Projection, frozen=True):
    """A view with what an index wants."""


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
        PODS, strategies.sampled_from("abc"), strategies.lists(PODS, unique_by=lambda one: one.key)
    )
)


@hypothesis.given(STEPS)
def test_index_has_what_a_search_finds_and_changes_lead_from_before_to_after(
    steps: list[Pod | str | list[Pod]],
) -> None:
    store = kube.Store[Pod]({"owner": by_owner})
    seen: dict[kube.Key, Pod] = {}

    for step in steps:
        if isinstance(step, Pod):
            changes = [store.put(step)]
        elif isinstance(step, str):
            changes = [store.drop(kube.Key("ns", step))]
        else:
            changes = [*store.replace(step)]
            assert {one.key for one in step} == {one.key for one in store}
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
