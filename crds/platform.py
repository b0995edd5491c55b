"""The Agents Platform API: the kinds of its versions, with their rules."""

from typing import Final

from crds import hub
from crds.admission import agent as agent_rules
from crds.admission import agentrun as agentrun_rules
from crds.admission import settings
from crds.v1alpha1 import kinds as v1alpha1
from crds.v1beta1 import kinds as v1beta1
from schemagen import Api, Kind, Rules, Version

# From the oldest to the newest, the hub.
_VERSIONS: Final = (v1alpha1.VERSIONS, v1beta1.VERSIONS)

# Beyond the schema; kinds that are not listed have none.
_RULES: Final = {"Agent": agent_rules.RULES, "AgentRun": agentrun_rules.RULES}

# Argo CD applies CRDs before their custom resources, as in the published charts.
_SYNC_WAVE: Final = {"argocd.argoproj.io/sync-wave": "-10"}


def _kind(newest: Version) -> Kind:
    name = newest.model.__name__
    versions = [version for of_kinds in _VERSIONS for version in of_kinds]
    return Kind.of(
        newest.model,
        tuple(version for version in versions if version.model.__name__ == name),
        annotations=_SYNC_WAVE,
        rules=_RULES.get(name, Rules()),
    )


api = Api(
    group=hub.GROUP,
    settings_problems=settings.problems,
    kinds=tuple(_kind(newest) for newest in _VERSIONS[-1]),
)
