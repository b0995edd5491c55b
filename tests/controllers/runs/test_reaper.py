"""A ledger that was lost is rebuilt from what the API server lists, whatever that looks like."""

from typing import Any

from controllers import kube, ledger
from controllers.runs import naming, reaper, records, views
from tests.support.run_world import NOW, run


class Cluster:
    """Lists what it was given, by kind."""

    def __init__(self, **listed: list[dict[str, Any]]) -> None:
        self.listed = listed

    async def list(self, resource: kube.Resource, **_: Any) -> kube.Listing:
        """The objects of a kind."""
        return kube.Listing(tuple(self.listed.get(resource.plural, ())), "7")


def surveyor(cluster: Any) -> reaper.Reaper:
    async def sleep(_: float) -> None:
        return

    return reaper.Reaper(
        cluster,
        records.Records(cluster, "home"),
        {},
        namespace=None,
        with_jobs=True,
        epoch=2,
        now=lambda: NOW,
        sleep=sleep,
    )


def named(name: str, body: dict[str, Any]) -> dict[str, Any]:
    return {**body, "metadata": {**body["metadata"], "name": name, "uid": f"uid-{name}"}}


def slot(name: str, attempt: int, agent: str = "coder") -> ledger.Slot:
    return ledger.Slot("team", agent, 0, NOW.timestamp(), name, attempt)


async def test_survey_finds_the_slots_of_runs_that_cannot_be_read() -> None:
    poison = named("poison", run({"priority": "high"}, phase="Running", attempt=2))
    odd = named("odd", run({"agentRef": []}, phase="Running", attempt="x"))
    starting = named("starting", run({"priority": "high"}))
    waiting = named("waiting", run(phase="Pending"))
    job = {
        "kind": "Job",
        "metadata": {"name": "j", "labels": {naming.RUN_LABEL: "uid-starting"}},
    }
    unreadable = {"kind": "Job", "metadata": {"name": "k"}, "status": {"active": "x"}}
    cluster = Cluster(agentruns=[poison, odd, starting, waiting], jobs=[job, unreadable])

    found = await surveyor(cluster).survey()

    assert {
        "uid-poison": slot("poison", 2),
        "uid-odd": slot("odd", 0, agent=""),
        "uid-starting": slot("starting", 1),
    } == found.slots


def test_one_unreadable_object_of_a_list_is_passed_over() -> None:
    listed = [named("a", run()), named("b", run({"priority": "high"})), named("c", run())]

    assert ["a", "c"] == [one.metadata.name for one in views.each(views.Run, listed)]
