"""Memory v1alpha1 <-> v1beta1 (row M of the field table)."""

from crds.v1alpha1.conversions import conversion_parts
from schemagen.versions import records, steps

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

# An absent key stays absent: it means the entire Secret.
CONNECTION = records.record(records.move("secretRef", "secretKeyRef", conversion_parts.KEY_REF))

SPEC = records.record(
    records.same_name("type", TYPE),
    records.same_name("connection", CONNECTION),
    records.same_name("capabilities", CAPABILITIES),
    records.move("default", "isDefault"),
)

STATUS = conversion_parts.status(records.move("lastCheckedAt", "lastCheckTime"))

CONVERSION = conversion_parts.conversion(SPEC, STATUS)
