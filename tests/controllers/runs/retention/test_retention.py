"""Selection of runs to delete: by age, count, size, order and pace."""

import collections
import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers import kube
from controllers.runs import naming, projections
from controllers.runs.retention import retention_controller, retention_policy
from controllers.runs.retention.retention_policy import Chosen, Ended, Excess, Limits

NOW = dt.datetime(2026, 7, 1, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)


def ended(name: str = "a", days: float = 1, **fields: Any) -> Ended:
    """A run that ended some days ago."""
    given = {"namespace": "team", "uid": f"uid-{name}", "size_bytes": 1000, **fields}
    return Ended(name=name, at=NOW - days * DAY, **given)


def names(chosen: list[Chosen]) -> list[tuple[str, Excess]]:
    return [(one.run.name, one.why) for one in chosen]


def view(**fields: Any) -> retention_policy.Run:
    value = {
        "metadata": {
            "name": "a",
            "namespace": "team",
            "uid": "u",
            "resourceVersion": "7",
            "creationTimestamp": "2026-05-01T00:00:00Z",
            **fields.get("metadata", {}),
        },
        "spec": fields.get("spec", {}),
        "status": {"phase": "Succeeded", **fields.get("status", {})},
    }
    return projections.of(retention_policy.Run, value)


# ----------------------------------------------------------------------------- one run as a value


def test_run_is_read_whole() -> None:
    run = view(
        spec={"retention": {"ttl": "1h30m"}}, status={"completionTime": "2026-06-01T00:00:00Z"}
    )

    found = retention_policy.ended(run, 123)

    assert found == Ended(
        namespace="team",
        name="a",
        uid="u",
        version="7",
        at=dt.datetime(2026, 6, 1, tzinfo=dt.UTC),
        size_bytes=123,
        ttl_seconds=5400,
    )


@pytest.mark.parametrize("phase", ["", "Pending", "Running", "Template", "Unknown"])
def test_run_that_has_not_ended_is_none(phase: str) -> None:
    assert retention_policy.ended(view(status={"phase": phase}), 1) is None


def test_run_that_is_being_deleted_is_none() -> None:
    run = view(metadata={"deletionTimestamp": "2026-06-01T00:00:00Z"})

    assert retention_policy.ended(run, 1) is None


@pytest.mark.parametrize(
    "spec",
    [{"retention": {"keepForever": True}}, {"purpose": "Template"}, {"retention": {"ttl": "0s"}}],
)
def test_run_is_kept(spec: dict[str, Any]) -> None:
    found = retention_policy.ended(view(spec=spec), 1)

    assert found is not None
    assert found.is_kept


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (
            {"completionTime": "2026-06-03T00:00:00Z", "lastUpdateTime": "2026-06-04T00:00:00Z"},
            (6, 3),
        ),
        ({"lastUpdateTime": "2026-06-04T00:00:00Z"}, (6, 4)),
        ({}, (5, 1)),
        ({"completionTime": "2016-12-31T23:59:60Z"}, (5, 1)),
        ({"completionTime": "2026-06-03T00:00:00"}, (5, 1)),
        ({"completionTime": "2026-06-03T00:00:00.123456789+00:00"}, (6, 3)),
    ],
)
def test_end_is_the_best_time_that_is_one(
    status: dict[str, str], expected: tuple[int, int]
) -> None:
    found = retention_policy.ended(view(status=status), 1)

    assert found is not None
    assert expected == (found.at.month, found.at.day)


def test_run_without_any_time_is_young() -> None:
    found = retention_policy.ended(view(metadata={"creationTimestamp": ""}), 1)

    assert found is not None
    assert not retention_policy.is_over_age(found, NOW, Limits())


# ---------------------------------------------------------------------------------------- by age


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (ended(days=30), True),
        (ended(days=29.99), False),
        (ended(days=-1), False),
        (ended(days=2, ttl_seconds=2 * 86400), True),
        (ended(days=1.99, ttl_seconds=2 * 86400), False),
        (ended(days=365, ttl_seconds=400 * 86400), False),
        (ended(days=365, ttl_seconds=10**31), False),
        (ended(days=365, is_kept=True), False),
        (ended(days=365, is_kept=True, ttl_seconds=1), False),
    ],
)
def test_age(run: Ended, expected: bool) -> None:  # noqa: FBT001 - a case
    assert expected == retention_policy.is_over_age(run, NOW, Limits())


def in_a_round(runs: list[Ended], limits: Limits) -> list[Chosen]:
    """What is deleted first."""
    return retention_policy.to_delete(retention_policy.due(runs, NOW, limits), limits)


def test_old_runs_go_in_the_order_in_which_they_ended() -> None:
    runs = [ended("b", 40), ended("c", 20), ended("a", 50), ended("d", 3, ttl_seconds=60)]

    chosen = in_a_round(runs, Limits())

    assert [("a", Excess.AGE), ("b", Excess.AGE), ("d", Excess.AGE)] == names(chosen)


# -------------------------------------------------------------------------- by count and by size


def test_oldest_go_from_a_namespace_with_too_many() -> None:
    runs = [ended(str(days), days) for days in range(1, 6)]
    runs += [ended("other", 9, namespace="other")]

    chosen = in_a_round(runs, Limits(namespace_count=3))

    assert [("5", Excess.NAMESPACE_COUNT), ("4", Excess.NAMESPACE_COUNT)] == names(chosen)


def test_oldest_go_where_there_are_too_many_in_all() -> None:
    runs = [ended(f"{days}", days, namespace=f"n{days % 2}") for days in range(1, 6)]

    chosen = in_a_round(runs, Limits(count=3))

    assert [("5", Excess.COUNT), ("4", Excess.COUNT)] == names(chosen)


def test_oldest_go_where_all_are_too_big() -> None:
    runs = [ended(f"{days}", days, size_bytes=100 * days) for days in range(1, 5)]

    chosen = in_a_round(runs, Limits(size_bytes=350))

    assert [("4", Excess.SIZE), ("3", Excess.SIZE)] == names(chosen)


def test_kept_runs_count_and_stay() -> None:
    runs = [ended("kept", 9, is_kept=True), ended("b", 5), ended("c", 4), ended("d", 3)]

    chosen = in_a_round(runs, Limits(namespace_count=2))

    assert [("b", Excess.NAMESPACE_COUNT), ("c", Excess.NAMESPACE_COUNT)] == names(chosen)


def test_more_kept_runs_than_allowed_leave_no_other() -> None:
    runs = [ended(f"k{at}", 9, is_kept=True) for at in range(5)] + [ended("b", 1)]

    chosen = in_a_round(runs, Limits(count=3))

    assert [("b", Excess.COUNT)] == names(chosen)


def test_a_hundred_of_each_namespace_go_in_a_round() -> None:
    runs = [ended(f"{at}", 40 + at, namespace=space) for space in "xy" for at in range(150)]

    chosen = in_a_round(runs, Limits())

    assert {"x": 100, "y": 100} == collections.Counter(one.namespace for one in chosen)
    assert {str(at) for at in range(50, 150)} == {one.run.name for one in chosen}


# ------------------------------------------------------------------------------------- properties

RUNS = st.lists(
    st.builds(
        ended,
        days=st.integers(0, 40),
        namespace=st.sampled_from(["x", "y", "z"]),
        size_bytes=st.integers(0, 50),
        ttl_seconds=st.none() | st.integers(1, 30 * 86400),
        is_kept=st.booleans(),
    ),
    max_size=30,
).map(
    lambda runs: [
        Ended(
            namespace=run.namespace,
            name=str(at),
            uid=str(at),
            at=run.at,
            size_bytes=run.size_bytes,
            ttl_seconds=run.ttl_seconds,
            is_kept=run.is_kept,
        )
        for at, run in enumerate(runs)
    ]
)
LIMITS = st.builds(
    Limits,
    age=st.integers(0, 40).map(lambda days: days * DAY),
    namespace_count=st.integers(0, 10),
    count=st.integers(0, 20),
    size_bytes=st.integers(0, 500),
    per_round=st.integers(1, 5),
)


def excesses(runs: list[Ended], limits: Limits) -> set[str]:
    """The namespaces, and ``*`` for all, that exceed a limit."""
    counts = collections.Counter(run.namespace for run in runs)
    found = {name for name, count in counts.items() if count > limits.namespace_count}
    is_much = sum(run.size_bytes for run in runs) > limits.size_bytes
    return found | ({"*"} if len(runs) > limits.count or is_much else set())


@given(RUNS, LIMITS)
def test_after_all_is_deleted_only_kept_runs_are_too_many(
    runs: list[Ended], limits: Limits
) -> None:
    gone = {one.run.uid for one in retention_policy.due(runs, NOW, limits)}

    left = [run for run in runs if run.uid not in gone]
    over = excesses(left, limits)
    assert all(run.is_kept for run in left if run.namespace in over or "*" in over)
    assert not any(retention_policy.is_over_age(run, NOW, limits) for run in left)


@given(RUNS, LIMITS)
def test_no_kept_run_goes_and_none_twice(runs: list[Ended], limits: Limits) -> None:
    chosen = [one.run for one in retention_policy.due(runs, NOW, limits)]

    assert not any(run.is_kept for run in chosen)
    assert len({run.uid for run in chosen}) == len(chosen)


@given(RUNS, LIMITS)
def test_without_its_newest_a_choice_is_too_small(runs: list[Ended], limits: Limits) -> None:
    """No run is deleted unnecessarily: with the last one kept, the limit is exceeded."""
    chosen = retention_policy.due(runs, NOW, limits)

    for why, scope in ((Excess.NAMESPACE_COUNT, "xyz"), (Excess.COUNT, "*"), (Excess.SIZE, "*")):
        for name in scope:
            of_it = [one for one in chosen if one.why is why and name in ("*", one.namespace)]
            if of_it:
                before = chosen[: chosen.index(of_it[-1])]
                gone = {one.run.uid for one in before}
                assert name in excesses([run for run in runs if run.uid not in gone], limits)


@given(RUNS, LIMITS)
def test_in_a_namespace_nothing_older_stays(runs: list[Ended], limits: Limits) -> None:
    chosen = retention_policy.due(runs, NOW, limits)
    gone = {one.run.uid for one in chosen}

    for one in chosen:
        if one.why is not Excess.AGE:
            assert not any(
                run.at < one.run.at
                for run in runs
                if run.namespace == one.namespace and not run.is_kept and run.uid not in gone
            )


@given(RUNS, LIMITS)
def test_rounds_delete_what_is_due_and_nothing_else(runs: list[Ended], limits: Limits) -> None:
    due = {one.run.uid for one in retention_policy.due(runs, NOW, limits)}

    gone: set[str] = set()
    while left := retention_policy.due([run for run in runs if run.uid not in gone], NOW, limits):
        chosen = retention_policy.to_delete(left, limits)
        counts = collections.Counter(one.namespace for one in chosen)
        assert max(counts.values()) <= limits.per_round
        gone |= {one.run.uid for one in chosen}

    assert due == gone


def test_no_run_is_deleted_in_place_of_one_that_waits_for_the_next_round() -> None:
    def run(namespace: str, name: str, days: int, size_bytes: int = 0) -> Ended:
        return Ended(
            namespace=namespace,
            name=name,
            uid=name,
            at=NOW - days * DAY,
            size_bytes=size_bytes,
        )

    runs = [
        run("x", "first", 3),
        run("x", "second", 2),
        run("y", "third", 1, 9),
        run("x", "new", 0),
    ]
    limits = Limits(age=9 * DAY, namespace_count=2, count=2, size_bytes=8, per_round=1)

    rounds = []
    while due := retention_policy.due(runs, NOW, limits):
        chosen = retention_policy.to_delete(due, limits)
        rounds.append([(one.run.name, one.why) for one in chosen])
        runs = [run for run in runs if run not in [one.run for one in chosen]]

    assert [
        [("first", Excess.NAMESPACE_COUNT)],
        [("second", Excess.COUNT), ("third", Excess.SIZE)],
    ] == rounds


@given(RUNS, LIMITS, st.randoms())
def test_order_of_the_list_does_not_matter(runs: list[Ended], limits: Limits, random: Any) -> None:
    shuffled = random.sample(runs, len(runs))

    assert retention_policy.due(runs, NOW, limits) == retention_policy.due(shuffled, NOW, limits)


# -------------------------------------------------------------------------- looked at once more


@pytest.mark.parametrize(
    ("why", "run", "expected"),
    [
        (Excess.AGE, ended(days=40), True),
        (Excess.AGE, ended(days=40, ttl_seconds=10**8), False),
        (Excess.AGE, ended(days=40, is_kept=True), False),
        (Excess.COUNT, ended(days=1), True),
        (Excess.COUNT, ended(days=1, is_kept=True), False),
        (Excess.COUNT, ended(uid="another"), False),
        (Excess.COUNT, None, False),
    ],
)
def test_run_that_changed_is_judged_as_it_is(
    why: Excess,
    run: Ended | None,
    expected: bool,  # noqa: FBT001 - a case
) -> None:
    assert expected == retention_policy.is_still(Chosen(ended(), why), run, NOW, Limits())


# --------------------------------------------------------------------------------------- batches


def test_batch_is_of_one_namespace_and_not_too_many() -> None:
    chosen = [
        Chosen(ended(f"{at}", namespace="xy"[at % 2]), Excess.AGE)
        for at in range(2 * retention_policy.MAX_BATCH_RUNS + 2)
    ]

    found = [*retention_policy.batches(chosen)]

    assert [("x", 50), ("x", 1), ("y", 50), ("y", 1)] == [
        (batch[0].namespace, len(batch)) for batch in found
    ]
    assert all(len({one.namespace for one in batch}) == 1 for batch in found)


def test_batch_of_big_runs_is_small() -> None:
    size = retention_policy.MAX_BATCH_BYTES // 2
    sizes = [size, size, 1, 3 * size, 1]
    chosen = [Chosen(ended(f"{at}", size_bytes=one), Excess.AGE) for at, one in enumerate(sizes)]

    assert [["0", "1"], ["2"], ["3"], ["4"]] == [
        [one.run.name for one in batch] for batch in retention_policy.batches(chosen)
    ]


# ------------------------------------------------------------------------------------- leftovers


def run_owner(**members: Any) -> dict[str, Any]:
    api_version = "agents.proompteng.ai/v1alpha1"
    owner = {"apiVersion": api_version, "kind": "AgentRun", "name": "a", "uid": "u"}
    return owner | {"controller": True} | members


def config_map(label: str = "u", owner: str = "u", **metadata: Any) -> kube.Metadata:
    owners = [run_owner(uid=owner)]
    value = {
        "name": "run-x",
        "namespace": "team",
        "uid": "cm",
        "labels": {naming.RUN_LABEL: label},
        "ownerReferences": owners,
        **metadata,
    }
    return projections.of(projections.Named, {"metadata": value}).metadata


def test_config_map_of_a_run_is_known_by_label_and_owner() -> None:
    found = retention_policy.leftover(config_map())

    assert found == retention_policy.Leftover("team", "run-x", "cm", "u")


@pytest.mark.parametrize(
    "metadata",
    [
        config_map(owner="another"),
        config_map(ownerReferences=[]),
        config_map(ownerReferences=[run_owner(apiVersion="batch/v1", kind="Job")]),
        config_map(ownerReferences=[run_owner(apiVersion="other.example.com/v1")]),
        config_map(labels={}),
        config_map(deletionTimestamp="2026-06-01T00:00:00Z"),
    ],
)
def test_other_config_map_is_left_alone(metadata: kube.Metadata) -> None:
    assert retention_policy.leftover(metadata) is None


def test_leftovers_of_runs_that_ended_a_week_ago_go_the_oldest_first() -> None:
    runs = {
        "a": ended("a", 7),
        "b": ended("b", 9, is_kept=True),
        "c": ended("c", 8),
        "young": ended("young", 6.9),
    }
    found = [retention_policy.Leftover("team", name, name, name) for name in ("alive", *runs)]

    chosen = retention_policy.leftovers_to_delete(found, runs, NOW, Limits())

    assert ["b", "c", "a"] == [one.name for one in chosen]


def test_leftovers_go_at_a_pace() -> None:
    found = [retention_policy.Leftover("team", str(at), str(at), "old") for at in range(150)]

    chosen = retention_policy.leftovers_to_delete(found, {"old": ended("old", 9)}, NOW, Limits())

    assert 100 == len(chosen)


# ----------------------------------------------------------------------------------------- pauses


@pytest.mark.parametrize(
    ("report", "took", "expected"),
    [
        (retention_controller.Report(), 5, 3600),
        (retention_controller.Report(left=1), 5, 60),
        (retention_controller.Report(left=1), 30, 300),
        (retention_controller.Report(left=1, problem="disk full"), 5, 3600),
        (None, 5, 300),
    ],
)
def test_pause_after_a_round(
    report: retention_controller.Report | None, took: float, expected: float
) -> None:
    assert expected == retention_controller.pause_seconds(report, took, 0)
    assert expected * 1.1 == pytest.approx(retention_controller.pause_seconds(report, took, 1))
