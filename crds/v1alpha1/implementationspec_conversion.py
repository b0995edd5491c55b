"""ImplementationSpec v1alpha1 <-> v1beta1 (row IS of the field table)."""

from schemagen.versions import steps

SPEC = steps.record(
    steps.keep("text", "summary", "description", "acceptanceCriteria", "vcsRef"),
    steps.move("labels", "topics"),
    steps.same_name(
        "source",
        steps.record(
            steps.keep("externalId", "url"),
            steps.same_name(
                "provider",
                steps.enumeration(
                    {"github": "GitHub", "linear": "Linear", "manual": "Manual", "custom": "Custom"}
                ),
            ),
        ),
    ),
    steps.same_name(
        "contract",
        steps.record(
            steps.move("requiredKeys", "requiredParameters"),
            steps.move("mappings", "aliases"),
        ),
    ),
)

STATUS = steps.record(
    steps.keep("observedGeneration", "sourceVersion"),
    steps.same_name("conditions", steps.each_by("type", steps.KEEP)),
    steps.move("syncedAt", "lastSyncTime"),
    steps.move("updatedAt", "lastUpdateTime"),
)

CONVERSION = steps.Conversion(
    steps.record(
        steps.keep("kind", "metadata"),
        steps.same_name("spec", SPEC),
        steps.same_name("status", STATUS),
    )
)
