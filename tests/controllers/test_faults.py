"""Plans of faults: the same for a seed, only what can happen, and written as Python."""

import collections
from typing import get_args

import pytest

from tests.support import faults, kube_calls
from tests.support.faults import CrashAt, Plan, Rates, Turn

CREATE = Turn("create", "configmaps", 1)
WATCH = Turn("watch", "configmaps", 1)


@pytest.mark.parametrize(
    ("method", "target", "expected"),
    [
        ("GET", "/api/v1/pods", ("list", "pods", "", "")),
        ("GET", "/api/v1/pods?continue=x&limit=5", ("page", "pods", "", "")),
        ("GET", "/api/v1/namespaces/a/pods?watch=true", ("watch", "pods", "a", "")),
        ("GET", "/api/v1/pods?watch=1&sendInitialEvents=true", ("watchlist", "pods", "", "")),
        ("GET", "/api/v1/pods?watch=false", ("list", "pods", "", "")),
        ("GET", "/api/v1/namespaces/a", ("get", "namespaces", "", "a")),
        ("PUT", "/api/v1/namespaces/a/status", ("update", "namespaces/status", "", "a")),
        ("POST", "/apis/g.dev/v1/namespaces/a/xs?x=1", ("create", "xs.g.dev", "a", "")),
        (
            "PATCH",
            "/apis/g.dev/v1/namespaces/a/xs/b/status",
            ("patch", "xs.g.dev/status", "a", "b"),
        ),
        ("DELETE", "/apis/g.dev/v1/namespaces/a/xs/b%3Ac", ("delete", "xs.g.dev", "a", "b:c")),
        ("DELETE", "/apis/g.dev/v1/namespaces/a/xs", ("deletecollection", "xs.g.dev", "a", "")),
        ("GET", "/apis/g.dev/v1", ("get", "/apis/g.dev/v1", "", "")),
        ("GET", "/readyz?verbose", ("get", "/readyz", "", "")),
    ],
)
def test_request_is_read_as_the_api_server_reads_it(
    method: str, target: str, expected: tuple[str, ...]
) -> None:
    call = kube_calls.Call.of(method, target)

    assert expected == (call.verb, call.resource, call.namespace, call.name)


@pytest.mark.parametrize(
    ("target", "is_counted"),
    [
        ("/apis/g.dev/v1/namespaces/a/xs", True),
        ("/apis/g.dev/v1/namespaces/a/xs?dryRun=All", False),
        ("/apis/coordination.k8s.io/v1/namespaces/a/leases", False),
        ("/apis/events.k8s.io/v1/namespaces/a/events", False),
        ("/api/v1/namespaces/a/events", False),
        ("/api/v1/namespaces/a/serviceaccounts/b/token", False),
        ("/apis/authorization.k8s.io/v1/subjectaccessreviews", False),
    ],
)
def test_writes_that_no_reconciler_decides_are_not_counted(
    target: str, *, is_counted: bool
) -> None:
    assert is_counted == kube_calls.Call.of("POST", target).is_counted


def turns(count: int) -> list[Turn]:
    verbs = get_args(kube_calls.Verb)
    return [Turn(verb, "pods", number + 1) for verb in verbs for number in range(count)]


def test_same_seed_is_the_same_faults_and_another_seed_is_not() -> None:
    plans = [Plan(seed, Rates.even(0.05)) for seed in (1, 1, 2)]

    one, again, other = ([plan.fault(turn) for turn in turns(50)] for plan in plans)

    assert one == again
    assert one != other


def test_faults_are_as_frequent_as_their_rates() -> None:
    plan = Plan(1, Rates(drop_before=0.1, fail=0.2))

    found = [plan.fault(Turn("create", "pods", number)) for number in range(3000)]

    counts = collections.Counter(found)
    assert counts[faults.Drop("before")] == pytest.approx(300, rel=0.2)
    assert counts[faults.Fail()] == pytest.approx(600, rel=0.2)
    assert len(found) == counts[None] + counts[faults.Drop("before")] + counts[faults.Fail()]


def test_faults_happen_only_to_what_they_can_happen_to() -> None:
    plan = Plan(1, Rates.even(0.06))

    found: dict[str, set[str]] = collections.defaultdict(set)
    for turn in turns(300):
        fault = plan.fault(turn)
        code = fault.code if isinstance(fault, faults.Refuse) else ""
        found[f"{type(fault).__name__}{code}"].add(turn.verb)

    updates, watches = {"update", "patch"}, {"watch", "watchlist"}
    writes, everything = updates | {"create", "delete", "deletecollection"}, kube_calls.ALL
    once = dict.fromkeys(["Refuse429", "Refuse500", "Refuse503", "Refuse504"], everything)
    along = dict.fromkeys(["Cut", "Silence", "Expire", "Duplicate", "Hold", "Pass"], watches)
    assert found == {
        **once,
        **along,
        "Drop": everything,
        "Delay": everything,
        "Fail": writes,
        "Refuse409": updates,
        "Refuse410": {"page"},
        "Past": {"list", "watchlist"},
        "NoneType": everything - watches,
    }


def test_later_faults_of_a_watch_are_those_of_a_stream() -> None:
    plan = Plan(1, Rates.even(0.06))

    found = {type(plan.fault(Turn("watch", "pods", 1, step))) for step in range(1, 300)}

    assert found == {*get_args(faults.WatchFault)}


def test_rates_of_more_than_one_in_all_are_refused() -> None:
    with pytest.raises(ValueError, match=r"at most 1 for create in all, got 1\.1"):
        Plan(1, Rates(drop_before=0.6, fail=0.5))


def test_spared_resources_get_no_faults() -> None:
    plan = Plan(1, Rates(drop_before=1.0), spared=frozenset({"pods"}))

    assert [None, faults.Drop("before")] == [
        plan.fault(Turn("get", resource, 1)) for resource in ("pods", "nodes")
    ]


def test_plan_is_written_as_python() -> None:
    script: dict[Turn, faults.Fault] = {CREATE: faults.Drop("after"), WATCH: faults.Hold(3, 0.5)}
    plan = Plan(7, Rates(cut=0.1), script=script, crash=CrashAt(3, "before"))

    text = repr(plan)

    assert text.startswith("Plan(seed=7, rates=Rates(cut=0.1), script={Turn(verb='create', ")
    assert plan == eval(text, {**vars(faults)})  # noqa: S307 - text of ours
