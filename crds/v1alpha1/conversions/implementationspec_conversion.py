"""ImplementationSpec v1alpha1 <-> v1beta1 (row IS of the field table)."""

from crds.v1alpha1.conversions import conversion_parts
from schemagen.versions import records, steps

PROVIDER = steps.enumeration(
    {"github": "GitHub", "linear": "Linear", "manual": "Manual", "custom": "Custom"}
)

SPEC = records.record(
    records.keep("text", "summary", "description", "acceptanceCriteria", "vcsRef"),
    records.move("labels", "topics"),
    records.same_name(
        "source",
        records.record(records.keep("externalId", "url"), records.same_name("provider", PROVIDER)),
    ),
    records.same_name(
        "contract",
        records.record(
            records.move("requiredKeys", "requiredParameters"),
            records.move("mappings", "aliases"),
        ),
    ),
)

STATUS = conversion_parts.status(
    records.keep("sourceVersion"), records.move("syncedAt", "lastSyncTime")
)

CONVERSION = conversion_parts.conversion(SPEC, STATUS)
