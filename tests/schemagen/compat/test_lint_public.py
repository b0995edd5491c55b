"""Lint of others' CRDs: no traceback with all rules, and only warnings that were judged by hand.

Each of the expected findings is true of the CRD; the reasons stand beside them.
"""

import gzip
import pathlib

import pytest

from schemagen import judge
from schemagen.compat import sources
from schemagen.compat.findings import Level
from schemagen.compat.lint import catalog, run

pytestmark = pytest.mark.slow

CRDS = sorted((pathlib.Path(__file__).parents[2] / "data/crds").glob("*.yaml.gz"))
DEFAULT = {rule.id for rule in catalog.RULES if rule.is_default}
EXPECTED = {
    "cluster-api_clusters": {
        # Lists of its own condition type in v1beta1, kept under deprecated in v1beta2.
        ("conditions", "v1beta1", "status.conditions"),
        ("conditions", "v1beta2", "status.deprecated.v1beta1.conditions"),
    },
    "keda_scaledjobs": {
        ("size-apply", "", ""),
        # Its own condition type, without lastTransitionTime, in an untyped list.
        ("conditions", "v1alpha1", "status.conditions"),
    },
    "kueue_localqueues": {
        # The judge accepts a removal and then another queue.
        ("cel-immutable-optional", "v1beta1", "spec.clusterQueue"),
        ("cel-immutable-optional", "v1beta2", "spec.clusterQueue"),
    },
    "prometheus-operator_alertmanagers": {("size-apply", "", "")},
    "tekton_pipelines": {
        # A subresource, and no status in the schema.
        ("status-missing", "v1beta1", "status"),
        ("status-missing", "v1", "status"),
    },
}


@pytest.mark.parametrize("path", CRDS, ids=lambda path: path.name.removesuffix(".yaml.gz"))
def test_public_crd_has_no_false_alarm(path: pathlib.Path) -> None:
    name = path.name.removesuffix(".yaml.gz")
    definitions = [*sources.parsed(gzip.decompress(path.read_bytes()), name)]

    with judge.Judge() as oracle:
        findings = run.lint(definitions, oracle, catalog.RULES).findings

    weighty = {
        (finding.rule, finding.subject.partition(" ")[2], finding.path)
        for finding in findings
        if finding.rule in DEFAULT and finding.level is not Level.NOTE
    }
    assert EXPECTED.get(name, set()) == weighty
    assert all(finding.line for finding in findings)
