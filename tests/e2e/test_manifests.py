"""What `webhooks manifests` writes is taken by a real API server, and lint agrees with it."""

import subprocess
import sys
from typing import Any

import pytest

from controllers import devcluster
from schemagen import judge, yaml
from tests.support import judge_proof, lint_proof
from tests.webhooks.cluster import test_lint
from webhooks.cluster import lint

pytestmark = pytest.mark.e2e


# Other tests install the platform on the same API server, by address.
WHERE = {
    "crds:api": ("--url", "https://127.0.0.1:9443"),
    "tests.support.foundry:api": (
        *("--service", "default/webhooks"),
        *("--cert-manager", "default/webhooks"),
    ),
}


@pytest.mark.parametrize("reference", WHERE)
def test_api_server_takes_every_manifest(api_server: devcluster.Cluster, reference: str) -> None:
    made = subprocess.run(
        [*(sys.executable, "-m", "webhooks", "manifests", reference), *WHERE[reference]],
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    said = api_server.kubectl(
        *("apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", "-"), input=made
    ).stdout

    assert len(yaml.load_all(made.encode())) == len(said.splitlines())


@pytest.mark.parametrize(
    "fault",
    ["short name", "timeout out of bounds", "side effects", "no client", "plain http"],
)
def test_what_the_api_server_refuses_is_an_error(
    api_server: devcluster.Cluster, fault: str
) -> None:
    change, _ = test_lint.FAULTS[fault]
    value: Any = test_lint.configured(test_lint.WEBHOOK | change)

    refused = api_server.kubectl(
        "create", "--dry-run=server", "-f", "-", input=yaml.dumps(value), check=False
    )

    assert 0 != refused.returncode
    assert any(one.level == "error" for one in lint.findings([value], test_lint.NOW))


async def test_lint_refuses_what_the_api_server_refuses(api_server: devcluster.Cluster) -> None:
    with judge.Judge(deadline_seconds=60) as asked:
        async with judge_proof.Server.of(api_server) as server:
            answers = [await lint_proof.compare(server, asked, 0, number) for number in range(80)]

    assert [] == [one for one in answers if one.split]
    assert 20 < sum(one.served.is_refusal for one in answers) < 60
