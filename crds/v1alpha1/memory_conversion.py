"""Memory v1alpha1 <-> v1beta1 (row M of the field table)."""

from schemagen.versions import steps

TYPE = steps.enumeration(
    {
        "postgres": "Postgres",
        "redis": "Redis",
        "weaviate": "Weaviate",
        "pinecone": "Pinecone",
        "custom": "Custom",
    }
)
CAPABILITIES = steps.each_once(steps.enumeration({"vector": "Vector", "kv": "KV", "blob": "Blob"}))

# A key that is absent stays so: the Secret as a whole is meant, and no single key says that.
CONNECTION = steps.record(
    steps.move("secretRef", "secretKeyRef", steps.record(steps.keep("name", "key")))
)

SPEC = steps.record(
    steps.same_name("type", TYPE),
    steps.same_name("connection", CONNECTION),
    steps.same_name("capabilities", CAPABILITIES),
    steps.move("default", "isDefault"),
)

STATUS = steps.record(
    steps.keep("observedGeneration"),
    steps.same_name("conditions", steps.each_by("type", steps.KEEP)),
    steps.move("lastCheckedAt", "lastCheckTime"),
    steps.move("updatedAt", "lastUpdateTime"),
)

CONVERSION = steps.Conversion(
    steps.record(
        steps.keep("kind", "metadata"),
        steps.same_name("spec", SPEC),
        steps.same_name("status", STATUS),
    )
)
