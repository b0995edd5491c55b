"""ImplementationSpec v1alpha1 <-> v1beta1 (row IS of the field table)."""

from crds.v1alpha1 import conversion_parts
from schemagen.versions import steps

PROVIDER = steps.enumeration(
    {"github": "GitHub", "linear": "Linear", "manual": "Manual", "custom": "Custom"}
)

SPEC = steps.record(
    steps.keep("text", "summary", "description", "acceptanceCriteria", "vcsRef"),
    steps.move("labels", "topics"),
    steps.same_name(
        "source",
        steps.record(steps.keep("externalId", "url"), steps.same_name("provider", PROVIDER)),
    ),
    steps.same_name(
        "contract",
        steps.record(
            steps.move("requiredKeys", "requiredParameters"),
            steps.move("mappings", "aliases"),
        ),
    ),
)

STATUS = conversion_parts.status(
    steps.keep("sourceVersion"), steps.move("syncedAt", "lastSyncTime")
)

CONVERSION = conversion_parts.conversion(SPEC, STATUS)
