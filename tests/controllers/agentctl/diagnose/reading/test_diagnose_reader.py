"""A part of the cluster that fails or hangs does not keep the others from being read."""

import crds
from controllers import kube
from controllers.agentctl.diagnose.reading import reader
from controllers.kube import testing

OPTIONS = reader.Options(mode="installed", home="agents", namespace=None, deadline_seconds=10)


@testing.virtual_time
async def test_part_that_hangs_or_fails_is_unknown_and_the_others_are_read() -> None:
    server = testing.ApiServer(crds.api)
    server.inject(testing.Fault(verb="list", plural="jobs", seconds=100))
    server.refuse("list", "memories", code=500)
    async with server.client() as client:
        seen = await reader.snapshot(client, OPTIONS)

    assert "expected an answer within 10 s, got none" == seen.jobs.problem
    assert seen.objects["Memory"].problem
    assert () == seen.objects["Agent"].get()
    assert None is seen.lease.get()
    assert () == seen.configurations.get()


def test_snapshot_of_no_api_server_has_every_part() -> None:
    seen = reader.unreachable(OPTIONS, "no kubeconfig")

    parts = dict(seen.readings())
    assert {"no kubeconfig"} == {part.problem for part in parts.values()} - {""}
    assert seen.now <= kube.utc_now()
    assert f"objects/{next(iter(crds.api)).name}" in parts
