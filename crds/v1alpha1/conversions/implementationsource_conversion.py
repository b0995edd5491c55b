"""ImplementationSource v1alpha1 <-> v1beta1 (rows 27 to 30 of the field table)."""

from crds.v1alpha1.conversions import conversion_parts
from schemagen.problems import JSON
from schemagen.versions import records, steps

# The key that v1alpha1 controllers read by default.
TOKEN_KEY = "token"  # noqa: S105 - the name of a key

PROVIDERS = {"github": "GitHub", "linear": "Linear"}

# --- scope (row 27): each provider has the fields that it reads ---------------------------------


def _scope(*names: str) -> steps.Step:
    return records.record(*(records.move(f"scope.{name}", name) for name in names))


SCOPE = records.flat_union(
    "provider",
    github=("github", _scope("repository", "organization", "labels")),
    linear=("linear", _scope("team", "project", "labels")),
)

# --- credentials and ingestion (rows 28, 29): one secret was both -------------------------------

SIGNING_SECRETS = "ingestion.webhook.signingSecretRefs"

KEY_REF = records.record(records.keep("name"), records.written_out("key", TOKEN_KEY))


def _ingestion_up(old: dict[str, JSON], new: dict[str, JSON]) -> None:
    webhook = old.get("webhook")
    if type(webhook) is not dict:
        return
    if webhook.get("enabled") is not True:
        new["ingestion"] = {"mode": "Disabled"}
        return
    new["ingestion"] = {"mode": "Webhook"}
    signing = KEY_REF.up(steps.get(old, ("auth", "secretRef")))
    if signing is not steps.ABSENT:
        new["ingestion"]["webhook"] = {"signingSecretRefs": [signing]}


def _ingestion_down(new: dict[str, JSON], old: dict[str, JSON]) -> None:
    ingestion = new.get("ingestion")
    if type(ingestion) is not dict:
        return
    # v1alpha1 cannot express polling: its controllers treat it as disabled. So they do if two modes
    # contradict each other, for example a restored one beside an edited one.
    is_webhook = ingestion.get("mode") == "Webhook" and "poll" not in ingestion
    old["webhook"] = {"enabled": is_webhook}


SPEC = records.record(
    SCOPE,
    records.move(
        "auth", "credentials", records.record(records.move("secretRef", "secretKeyRef", KEY_REF))
    ),
    # The v1alpha1 token is also the signing secret: a new token invalidates the previous ones.
    records.PartFn(_ingestion_up, _ingestion_down, atomic=(SIGNING_SECRETS,)),
    records.same_name("mapping", steps.map_to_list("from", "to")),
)

# --- status -------------------------------------------------------------------------------------

WEBHOOK_SYNC = records.record(
    records.keep(
        "idempotencyKey", "deliveryId", "externalId", "sourceVersion", "attempts", "error"
    ),
    records.same_name("provider", steps.respelled(PROVIDERS)),
    records.move("receivedAt", "receivedTime"),
    records.move("processedAt", "processedTime"),
    records.same_name(
        "status",
        steps.respelled(
            {
                "queued": "Queued",
                "synced": "Synced",
                "retrying": "Retrying",
                "failed": "Failed",
            }
        ),
    ),
)
STATUS = conversion_parts.status(
    records.move("lastSyncedAt", "lastSyncTime"),
    records.same_name("lastWebhook", WEBHOOK_SYNC),
)

CONVERSION = conversion_parts.conversion(SPEC, STATUS, unordered_paths=("spec.mapping",))
