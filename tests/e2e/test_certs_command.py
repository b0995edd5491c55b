"""``agentctl certs`` on replicas that share an authority: what it shows, does, and finds wrong."""

import asyncio
import contextlib
import json
import pathlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

import crds
from certs import rotation_secret
from controllers import devcluster, kube
from controllers.devcluster import pytest_plugin
from tests.support import forked_commands, rotations

pytestmark = pytest.mark.e2e

PLACE = f"{rotations.NAMESPACE}/{rotations.SECRET}"


class Commands:
    """Replicas that run, and the program."""

    def __init__(
        self,
        cluster: devcluster.Cluster,
        client: kube.Client,
        forks: forked_commands.Commands,
        folder: pathlib.Path,
    ) -> None:
        self.cluster, self.client = cluster, client
        self._forks, self._folder = forks, folder

    async def run(self, *words: str) -> tuple[int, str, str]:
        """Exit code, standard output and standard error of ``agentctl certs``."""
        given = ("certs", *words, "--kubeconfig", str(self.cluster.admin_kubeconfig))
        done = await asyncio.to_thread(self._forks.run, "agentctl", *given, cwd=self._folder)
        return done.code, done.out, done.err

    async def json(self, *words: str) -> tuple[int, Any]:
        """Exit code and what was printed, read."""
        code, out, err = await self.run(*words, "--output", "json")
        assert out, err
        return code, json.loads(out)


@pytest_asyncio.fixture(scope="module")
async def commands(
    request: pytest.FixtureRequest,
    commands: forked_commands.Commands,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Commands]:
    directory = tmp_path_factory.mktemp("replicas")
    with pytest_plugin.running(request, "certs") as cluster:
        async with rotations.deployed(cluster, directory, count=2) as (_, client):
            yield Commands(cluster, client, commands, directory)


async def test_status_shows_who_signs_who_serves_and_who_believes(commands: Commands) -> None:
    code, found = await commands.json("status")
    _, table, _ = await commands.run("status")

    authority = (found["revision"], [(1, "signs")])
    assert authority == (1, [(one["generation"], one["role"]) for one in found["authorities"]])
    assert [(1, True)] * 2 == [(one["generation"], one["is_live"]) for one in found["replicas"]]
    assert {(True, True)} == {(one["is_there"], one["is_exact"]) for one in found["believers"]}
    assert len([*crds.api]) + 2 == len(found["believers"])
    assert (0, [], "") == (code, found["problems"], found["wish"])
    for words in ("signs", f"mutatingwebhookconfigurations/{crds.api.group}", "no problems found"):
        assert words in table


async def test_rotate_follows_the_rotation_to_its_end(commands: Commands) -> None:
    before = await rotations.state(commands.client)

    code, out, err = await commands.run("rotate")

    after = await rotations.state(commands.client)
    old, new = before.state.active, before.state.active + 1
    steps = [line.partition("  ")[2] for line in out.splitlines()]
    assert (0, "") == (code, err)
    assert steps[-2:] == [
        f"CA {new} signs; trusted: {old} and {new}",
        f"CA {new} signs; trusted: {new}",
    ]
    assert (new, (new,)) == (after.state.active, after.state.published)


async def test_rotate_that_takes_too_long_says_so(commands: Commands) -> None:
    code, _, err = await commands.run("rotate", "--timeout", "1")

    assert 1 == code
    assert err.startswith("agentctl: expected a rotation within 1 s, got none: it continues")
    async with asyncio.timeout(rotations.MAX_ROTATION_SECONDS):
        while (await rotations.state(commands.client)).state.is_rotating:  # noqa: ASYNC110
            await asyncio.sleep(0.2)


async def test_verify_has_every_call_made(commands: Commands) -> None:
    code, found = await commands.json("verify")
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(120):  # on a machine with more to do, a call may be late once
            while code:
                code, found = await commands.json("verify")

    calls = [(one["who"] == "the API server", one["outcome"]) for one in found["calls"]]
    assert (0, []) == (code, found["problems"]), found
    assert {(False, "ok"), (True, "ok")} == {*calls}
    assert len(calls) >= 2 + 3 * len([*crds.api])


async def test_verify_says_which_call_fails_and_why(commands: Commands) -> None:
    """A CRD that calls where nobody listens: no replica repairs a URL."""
    name = "memories.agents.proompteng.ai"
    value = await commands.client.get(kube.CUSTOM_RESOURCE_DEFINITIONS, name)
    url = value["spec"]["conversion"]["webhook"]["clientConfig"]["url"]

    async def call(where: str) -> None:
        changes = {"spec": {"conversion": {"webhook": {"clientConfig": {"url": where}}}}}
        await commands.client.patch(kube.CUSTOM_RESOURCE_DEFINITIONS, name, changes)

    expected = {
        (f"customresourcedefinitions/{name}", "127.0.0.1:1"),
        ("the API server", "memories as v1alpha1"),
    }
    await call("https://127.0.0.1:1/convert")
    code, failed = 0, dict[tuple[str, str], str]()
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(120):  # until the API server has taken notice
                # On a machine with more to do, other calls may be late once.
                while {*failed} != expected:
                    code, found = await commands.json("verify")
                    failed = {
                        (one["who"], one["where"]): one["reason"]
                        for one in found["calls"]
                        if one["outcome"] == "failed"
                    }
    finally:
        await call(url)

    assert 1 == code
    assert expected == {*failed}
    assert "connection refused" in failed["the API server", "memories as v1alpha1"]


async def test_status_without_a_secret_of_ours_says_what_to_do(commands: Commands) -> None:
    code, out, err = await commands.run("status", "--secret", "default/none")
    rotated, _, _ = await commands.run("rotate", "--secret", "default/none")

    assert (2, "", 2) == (code, out, rotated)
    assert err.startswith(
        "agentctl: expected Secret default/none of `webhooks serve --cert-secret`"
    )


async def test_secret_that_is_broken_is_told_and_no_key_quoted(
    commands: Commands,
) -> None:
    secret = await commands.client.get(kube.SECRETS, "webhooks", namespace="agents")
    metadata = {"name": "broken", "namespace": "agents"}
    data = {**secret["data"], rotation_secret.STATE: "Z2FyYmFnZQ=="}
    await commands.client.create(kube.SECRETS, {**secret, "metadata": metadata, "data": data})

    code, _, err = await commands.run("status", "--secret", "agents/broken")

    assert 2 == code
    assert err.startswith("agentctl: expected CAs and their state in Secret broken")
    assert "PRIVATE" not in err
