"""The models, the API server's code in process and a real API server give the same verdicts.

Words and field paths too, for objects at the boundaries of every schema of the platform and of an
unrelated API that uses every marker. `make prove-judges` asks 100,000 times.
"""

from collections.abc import AsyncIterator, Iterator

import pytest

import crds
from controllers import devcluster, kube
from controllers.agentctl.api_servers import judged
from schemagen import differential, judge
from schemagen.differential import report
from tests.support import depth, foundry

pytestmark = pytest.mark.e2e

SUBJECTS = [*differential.subjects(crds.api), *differential.subjects(foundry.api)]
OBJECTS = depth.draws(2000)
SEED = 20261124


@pytest.fixture(scope="module")
def asked() -> Iterator[judge.Judge]:
    with judge.Judge(deadline_seconds=60) as found:
        yield found


@pytest.fixture(scope="module")
async def server(api_server: devcluster.Cluster) -> AsyncIterator[differential.Server]:
    def ignore(warning: str) -> None:
        del warning

    async with kube.Client.from_kubeconfig(
        api_server.admin_kubeconfig, on_warning=ignore
    ) as client:
        yield judged.Server(client)


@pytest.mark.parametrize("subject", SUBJECTS, ids=[str(subject) for subject in SUBJECTS])
async def test_no_verdict_is_split(
    subject: differential.Subject, asked: judge.Judge, server: differential.Server
) -> None:
    count = OBJECTS // len(SUBJECTS) + 1

    tally = await differential.Trial(asked, server, seed=SEED).run(subject, count)

    told = "\n".join(report.lines([(subject, tally)], seed=SEED, has_server=True))
    assert (0, 0) == (tally.verdicts, tally.words), told
    assert count // 10 < tally.allowed < count, told
