"""Situations: fields do what their description says, seen by the agent itself."""

from typing import Any, Final

from controllers import kube
from tests.support.situations.given import LOCAL, Given, manifest
from tests.support.situations.happenings import Make, Says, Until
from tests.support.situations.situation import SUCCEEDED, Situation

TEAM: Final = (kube.CONFIG_MAPS, manifest(kube.CONFIG_MAPS, "team", data={"branch": "release-7"}))
TRACKER: Final = (
    kube.SECRETS,
    manifest(kube.SECRETS, "tracker", stringData={"url": "https://tracker.example.com"}),
)


def _printing(*templates: str) -> dict[str, Any]:
    args = ["<%s>\\n", *templates]
    return {"adapter": {"type": "Exec", "exec": {"binary": "/usr/bin/printf", "args": args}}}


def _says(*texts: str) -> Says:
    return Says(("run", "logs", "run"), texts, 0)


BRANCH: Final = {
    "parameters": [
        {"name": "branch", "valueFrom": {"configMapKeyRef": {"name": "team", "key": "branch"}}}
    ]
}
CONTRACT: Final = {"inline": {"text": "x", "contract": {"requiredParameters": ["branch"]}}}

SITUATIONS: Final = (
    Situation(
        name="parameter-from-a-config-map",
        given=Given(objects=(TEAM,), provider=_printing("branch={{ inputs.branch }}"), run=BRANCH),
        happens=(Until("Succeeded"), _says("<branch=release-7>")),
        expected=SUCCEEDED,
        runtimes=LOCAL,
    ),
    Situation(
        name="parameter-from-a-config-map-that-comes-later",
        given=Given(provider=_printing("branch={{ inputs.branch }}"), run=BRANCH),
        happens=(Until("Pending", "", "team"), Make(*TEAM)),
        expected=SUCCEEDED,
        runtimes=LOCAL,
    ),
    Situation(
        name="required-parameter-from-a-config-map",
        given=Given(objects=(TEAM,), run={**BRANCH, "implementation": CONTRACT}),
        expected=SUCCEEDED,
        runtimes=LOCAL,
    ),
    Situation(
        name="variable-of-an-agent-from-a-secret",
        given=Given(
            objects=(TRACKER,),
            provider=_printing("team={{ inputs.TEAM }}", "plain={{ inputs.PLAIN }}"),
            agent={
                "env": [
                    {"name": "PLAIN", "value": "given"},
                    {
                        "name": "TEAM",
                        "valueFrom": {"secretKeyRef": {"name": "tracker", "key": "url"}},
                    },
                ]
            },
        ),
        happens=(Until("Succeeded"), _says("<team=https://tracker.example.com>", "<plain=given>")),
        expected=SUCCEEDED,
        runtimes=LOCAL,
    ),
    Situation(
        name="settings-of-an-agent",
        given=Given(
            provider=_printing("model={{ config.model }}"), agent={"config": {"model": "large"}}
        ),
        happens=(Until("Succeeded"), _says("<model=large>")),
        expected=SUCCEEDED,
        runtimes=LOCAL,
    ),
)
