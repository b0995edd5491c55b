"""The same webhook configurations to lint and to a real API server, and where they part. Shell."""

import dataclasses
import datetime as dt
import random

from controllers import kube
from schemagen import judge
from schemagen.problems import JSON
from tests.support import judge_proof, lint_draws
from webhooks.cluster import lint
from webhooks.cluster.findings import Finding

NOW = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
# Errors of what the API server takes.
PRACTICES = {
    *("untouchable", "everything", "system-namespace", "own-namespace", "ca-bundle"),
    *("private-key", "versions"),
}
_RESOURCES = {
    kind: kube.Resource(
        "admissionregistration.k8s.io", "v1", f"{kind.lower()}s", kind, namespaced=False
    )
    for kind in lint_draws.KINDS
}


@dataclasses.dataclass(frozen=True)
class Answers:
    """What the API server and lint say of a configuration.

    Attributes:
        split: In what they differ; nothing if they agree.
    """

    value: JSON
    served: judge_proof.Said
    split: str


async def compare(
    server: judge_proof.Server, asked: judge.Judge, seed: int, number: int
) -> Answers:
    """Ask about the configuration of a number, which is the same in every run of a seed."""
    rng = random.Random(f"lint {seed} {number}")  # noqa: S311 - no secrets
    value = lint_draws.configuration(rng, number)
    question = judge_proof.Question(value)
    served = await server.ask(_RESOURCES[value["kind"]], question)
    served = dataclasses.replace(served, object=None)
    judged = judge_proof.said_by_judge(asked.check_registration(value), question)
    if judged != served:
        return Answers(value, served, f"judge: {judged}")
    return Answers(value, served, _split(served, [*lint.findings([value], NOW, asked)]))


def _split(served: judge_proof.Said, findings: list[Finding]) -> str:
    """What lint leaves out of a refusal, or has beyond one."""
    errors = [one for one in findings if one.level == "error"]
    if not served.is_refusal:
        return "; ".join(str(one) for one in errors if one.rule not in PRACTICES)
    missing = {field for _, _, field in served.causes} - {one.field for one in errors}
    if missing:
        return f"lint has no error at {', '.join(sorted(missing))}"
    is_told = served.causes or any(one.rule == lint.REFUSED for one in errors)
    return "" if is_told else "lint refuses nothing"
