"""Explanations of a run's state: what they report, and what they leave open."""

import datetime as dt
from typing import Any

from controllers.agentctl.explain import explanation, explanation_output
from controllers.agentctl.explain.explanation import Observed
from controllers.agentctl.explain.queue_position import Rank
from controllers.ledger import Candidate, Ledger, Limits, Slot
from controllers.runs import projections

NOW = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
CREATED = "2026-01-02T03:00:00Z"
LEASE = {"spec": {"holderIdentity": "replica-1"}}


def run(name: str = "fix", **status: Any) -> dict[str, Any]:
    return {
        "metadata": {
            "name": name,
            "namespace": "team",
            "uid": name,
            "generation": 1,
            "creationTimestamp": CREATED,
        },
        "spec": {"agentRef": {"name": "coder"}, "priority": 3},
        "status": {"observedGeneration": 1, **status} if status else {},
    }


def blocked(name: str = "fix", by: str = "Agent") -> dict[str, Any]:
    return run(
        name,
        phase="Pending",
        reason="ConcurrencyLimit",
        message=f"The {by.lower()}'s limit on runs in flight is reached.",
        queue={"blockedBy": by, "since": "2026-01-02T03:01:05Z"},
        attempt=1,
    )


def slot(run: str, agent: str = "coder", namespace: str = "team", ago: float = 60.0) -> Slot:
    return Slot(namespace, agent, 1, NOW.timestamp() - ago, run, 1)


def candidate(one: dict[str, Any]) -> Candidate:
    found = explanation.candidate(projections.of(projections.Run, one))
    assert found is not None
    return found


def text(seen: Observed) -> dict[str, str]:
    """Return the facts of an explanation as text, by name."""
    facts, _, _ = explanation_output.as_text(explanation.explain(seen), NOW).partition("\n\n")
    width = max(facts.splitlines()[0].index("fix"), 0)
    return {line[:width].strip(): line[width:] for line in facts.splitlines()}


def waiting_seen(**changes: Any) -> Observed:
    book = Ledger({"a": slot("old", ago=300), "b": slot("new"), "c": slot("other", "x")})
    first, mine = blocked("first"), blocked()
    first["metadata"]["creationTimestamp"] = "2026-01-02T02:59:59Z"
    values = {
        "run": mine,
        "now": NOW,
        "book": book,
        "limits": Limits(10, 2, 100),
        "waiting": [candidate(first), candidate(mine)],
        "lease": LEASE,
        **changes,
    }
    return Observed(**values)


def test_waiting_run_says_its_limit_its_position_and_who_has_the_slots() -> None:
    found = explanation.explain(waiting_seen())

    assert ("Agent", "controller") == (found.blocked_by, found.limits_from)
    assert found.position is not None
    assert (Rank(2, 2), 2) == (found.position.agent, found.position.ends)
    assert ["old", "new"] == [one.run for one in found.holders]
    assert ["2 of 2", "3 of 10", "3 of 100"] == [str(use) for use in found.uses.values()]


def test_text_of_a_waiting_run() -> None:
    assert {
        "run": "fix, namespace team, agent coder",
        "phase": "Pending (ConcurrencyLimit)",
        "why": "The agent's limit on runs in flight is reached.",
        "attempt": "1",
        "blocked by": "the agent's limit on runs in flight, for 3m",
        "position": "2 of 2 waiting for agent coder, 2 of 2 in namespace team, 2 of 2 in the "
        "cluster, 2 runs have to end first",
        "in flight": "agent 2 of 2, namespace 3 of 10, cluster 3 of 100",
        "controller": "replica-1",
    } == text(waiting_seen())


def test_limits_that_nobody_says_are_a_guess_and_called_one() -> None:
    found = text(waiting_seen(limits=None))

    assert found["in flight"].endswith("assuming the default limits")
    assert "agent 2 of 5" in found["in flight"]


def test_limit_that_is_met_now_counts_more_than_the_one_that_was_told() -> None:
    """Statuses report a change of the limit half a minute later, to spare the API server."""
    found = explanation.explain(waiting_seen(run=blocked(by="Cluster")))

    assert "Agent" == found.blocked_by


def test_without_the_ledger_only_what_the_status_says_is_told() -> None:
    found = explanation.explain(waiting_seen(book=None, limits=None, notes=["slots: forbidden"]))

    assert ("Agent", None, (), {}) == (
        found.blocked_by,
        found.position,
        found.holders,
        found.uses,
    )
    assert explanation_output.as_text(found, NOW).endswith("unknown: slots: forbidden")


def test_position_among_runs_of_one_namespace_claims_nothing_of_the_cluster() -> None:
    found = text(waiting_seen(is_everywhere=False))

    assert "2 of 2 waiting for agent coder, 2 of 2 in namespace team" == found["position"]


def test_many_holders_are_cut_in_the_text() -> None:
    book = Ledger({str(at): slot(f"run-{at}") for at in range(12)})

    found = explanation_output.as_text(explanation.explain(waiting_seen(book=book)), NOW)

    assert "and 2 more" in found
    assert 10 == found.count("team/run-")


def test_missing_reference_is_named() -> None:
    lost = run(phase="Pending", reason="MissingProvider", message="expected AgentProvider 'x'")

    found = text(Observed(run=lost, now=NOW, book=Ledger()))

    assert found["missing"].startswith("AgentProvider; the run resumes automatically")
    assert "expected AgentProvider 'x'" == found["why"]
    assert "position" not in found


def test_leader_whose_lease_is_over_is_told_to_be_dead() -> None:
    def seen(renewed: str) -> Observed:
        spec = {**LEASE["spec"], "renewTime": renewed, "leaseDurationSeconds": 15}
        return Observed(run=run(), now=NOW, lease={"spec": spec})

    dead, alive = seen("2026-01-02T03:00:00.000000Z"), seen("2026-01-02T03:03:41.000000Z")

    said = "no controller is running; the last leader, replica-1, has been silent for 4m5s"
    assert f"No controller has reconciled the run yet: {said}." == text(dead)["why"]
    assert "replica-1, dead: its Lease was last renewed 4m5s ago" == text(dead)["controller"]
    told = explanation_output.as_json(explanation.explain(dead))
    assert ("replica-1", "2026-01-02T03:00:00Z") == (told["leader"], told["leaderSilentSince"])
    assert (
        "No controller has reconciled the run yet: the leader is replica-1." == text(alive)["why"]
    )
    assert "replica-1" == text(alive)["controller"]


def test_run_that_nobody_has_looked_at_says_whether_there_is_a_controller() -> None:
    def why(**changes: Any) -> str:
        return text(Observed(run=run(), now=NOW, **changes))["why"]

    assert "No controller has reconciled the run yet: the leader is replica-1." == why(lease=LEASE)
    assert "No controller has reconciled the run yet: no controller is running." == why(
        lease={"spec": {"holderIdentity": ""}}
    )
    assert (
        "No controller has reconciled the run yet: it is unknown whether a controller is running."
        == why()
    )


def test_next_attempt_is_said_with_the_time_that_is_left() -> None:
    failed = run(
        phase="Pending",
        reason="Retrying",
        message="Attempt 1 of 3 failed.",
        attempt=1,
        nextAttemptTime="2026-01-02T03:04:35Z",
    )

    found = text(Observed(run=failed, now=NOW, book=Ledger()))

    assert "in 30s (2026-01-02T03:04:35Z)" == found["next attempt"]


def test_run_that_starts_says_what_keeps_its_pod_and_what_was_taken_away() -> None:
    why = "The pod has not started: Unschedulable: 0/3 nodes are available."
    starting = run(phase="Starting", reason="Unschedulable", message=why, attempt=3, disruptions=2)

    found = text(Observed(run=starting, now=NOW))

    assert ("Starting (Unschedulable)", why, "3, 2 of them disrupted") == (
        found["phase"],
        found["why"],
        found["attempt"],
    )


def test_run_in_flight_shows_its_slot_and_its_time() -> None:
    going = run(phase="Running", reason="Running", attempt=1, startTime="2026-01-02T03:03:05Z")

    found = text(Observed(run=going, now=NOW, book=Ledger({"fix": slot("fix")})))

    assert "held for 60s" == found["slot"]
    assert "2026-01-02T03:03:05Z, for 60s" == found["started"]
    assert "The run is Running." == found["why"]


def test_other_standings_have_their_sentence() -> None:
    ended = run(phase="Failed", reason="JobFailed", message="Exit code 3.")
    changed = run(phase="Pending", reason="Suspended", message="It waits.")
    changed["metadata"]["generation"] = 2
    deleted = run(phase="Running")
    deleted["metadata"]["deletionTimestamp"] = CREATED
    template = run(phase="Template", reason="Template")

    found = [
        text(Observed(run=one, now=NOW, lease=LEASE))["why"]
        for one in (ended, changed, deleted, template)
    ]

    assert [
        "The run has ended. Exit code 3.",
        "The controller has not observed the latest change yet: the leader is replica-1.",
        "The run is being deleted; it is removed once all its work has stopped.",
        "The run is a Template, which is only copied and never executed.",
    ] == found


def test_events_are_the_latest_in_order() -> None:
    events: list[dict[str, Any]] = [
        {"eventTime": f"2026-01-02T03:00:{at:02}.000000Z", "reason": f"R{at}", "type": "Normal"}
        for at in reversed(range(12))
    ]
    series = {"count": 4, "lastObservedTime": "2026-01-02T03:04:00.000000Z"}
    events[0] |= {"series": series, "note": "Again."}

    found = explanation.explain(Observed(run=run(phase="Running"), now=NOW, events=events))

    assert [f"R{at}" for at in range(2, 12)] == [one.reason for one in found.events]
    assert "5s ago      Normal   R11      Again. (x4)" in explanation_output.as_text(found, NOW)


def test_runs_that_do_not_wait_for_a_slot_are_no_candidates() -> None:
    others = [
        run(),
        run(phase="Pending", reason="MissingAgent"),
        run(phase="Pending", reason="Suspended"),
        run(phase="Running", reason="Running"),
    ]

    assert [None] * 4 == [
        explanation.candidate(projections.of(projections.Run, one)) for one in others
    ]
    assert Candidate("fix", "team", "coder", 3, 1767322800.0, "fix", 2) == candidate(blocked())


def test_json_has_the_same_in_kubernetes_spelling() -> None:
    found = explanation_output.as_json(explanation.explain(waiting_seen()))

    assert {
        "name": "fix",
        "blockedBy": "Agent",
        "blockedSince": "2026-01-02T03:01:05Z",
        "limitsFrom": "controller",
        "position": {
            "cluster": {"at": 2, "of": 2},
            "namespace": {"at": 2, "of": 2},
            "agent": {"at": 2, "of": 2},
            "ends": 2,
        },
        "uses": {
            "agent": {"inFlight": 2, "limit": 2},
            "namespace": {"inFlight": 3, "limit": 10},
            "cluster": {"inFlight": 3, "limit": 100},
        },
    }.items() <= found.items()
    assert {
        "namespace": "team",
        "run": "old",
        "agent": "coder",
        "since": "2026-01-02T02:59:05Z",
        "attempt": 1,
    } == found["holders"][0]
