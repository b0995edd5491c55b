"""AgentProvider v1alpha1 <-> v1beta1 (rows 22 to 26 of the field table)."""

from typing import Final

from crds.v1alpha1.conversions import conversion_parts
from schemagen.problems import JSON
from schemagen.versions import records, steps

# --- environment (rows 23, 24): templates and Secrets are one list -----------------------------

# The runner's pod lists templates first, then Secrets; the last variable of a name wins.
TEMPLATES = steps.map_to_list("name", "value")


def _is_complete(entry: JSON) -> bool:
    """Whether v1alpha1 controllers set the variable: they skip entries without name or key."""
    texts = [steps.get(entry, (key,)) for key in ("name", "secretName", "key")]
    return all(type(text) is str and text.strip() for text in texts)


SECRETS = steps.each_by_last(
    "name",
    steps.when(
        _is_complete,
        records.record(
            records.keep("name"),
            records.move("secretName", "valueFrom.secretKeyRef.name"),
            records.move("key", "valueFrom.secretKeyRef.key"),
            records.move("optional", "valueFrom.secretKeyRef.optional"),
        ),
    ),
)
# Where v1alpha1 controllers read variables from Secrets: the first list wins, even if empty.
PLACES: Final = (("secretEnv",), ("adapter", "secretEnv"), ("adapter", "codex", "secretEnv"))


def _listed_at(spec: dict[str, JSON]) -> steps.Path | None:
    """Return the path of the list that is used."""
    return next((place for place in PLACES if type(steps.get(spec, place)) is list), None)


def _env_up(old: dict[str, JSON], new: dict[str, JSON]) -> None:
    place = _listed_at(old)
    templates = TEMPLATES.up(old.get("envTemplate"))
    if templates is steps.ABSENT and place is None:
        return
    secrets = [] if place is None else SECRETS.up(steps.get(old, place))
    names = {item["name"] for item in secrets}
    plain = [] if templates is steps.ABSENT else templates
    new["env"] = [item for item in plain if item["name"] not in names] + secrets


def _env_down(new: dict[str, JSON], old: dict[str, JSON]) -> None:
    env = new.get("env")
    if type(env) is not list:
        return
    items = [item for item in env if type(item) is dict]
    # A variable without a value is empty, as in core/v1.
    templates = TEMPLATES.down(
        [{"value": "", **item} for item in items if item.get("valueFrom") is None]
    )
    secrets = SECRETS.down([item for item in items if item.get("valueFrom") is not None])
    if templates:
        old["envTemplate"] = templates
    if secrets or not templates:
        old["secretEnv"] = secrets


ENV = records.PartFn(
    _env_up,
    _env_down,
    uses=(
        records.move("envTemplate", "env", TEMPLATES),
        records.move("secretEnv", "env", SECRETS),
    ),
)


def _without(value: dict[str, JSON], path: steps.Path) -> dict[str, JSON]:
    name, *rest = path
    if rest:
        return {**value, name: _without(value[name], tuple(rest))}
    return {key: item for key, item in value.items() if key != name}


def _without_counting(spec: dict[str, JSON]) -> JSON:
    """Return the adapter without the list that is used; other lists are ordinary settings."""
    place = _listed_at(spec)
    return spec.get("adapter") if place in {None, PLACES[0]} else _without(spec, place)["adapter"]


def _without_lists(spec: dict[str, JSON]) -> dict[str, JSON]:
    """Return the spec without lists that v1beta1 ignores but v1alpha1 would use."""
    while (place := _listed_at(spec)) not in {None, PLACES[0]}:
        spec = _without(spec, place)
    return spec


# --- adapter (row 22): free-form settings become typed ones ------------------------------------

FILE = records.record(
    records.same_name("path", steps.text()), records.same_name("content", steps.text())
)
ARTIFACT = records.record(
    tuple(records.same_name(name, steps.text()) for name in ("name", "path", "key", "url"))
)
TEXTS = steps.exact(steps.each(steps.text()))
FLAG = steps.typed(bool)

CODEX = records.sealed_record(
    (
        *(
            records.same_name(name, steps.text())
            for name in (
                *("binaryPath", "cwd", "model", "effort", "prompt", "threadId"),
                *("baseInstructions", "developerInstructions"),
            )
        ),
        records.same_name("cliConfigOverrides", TEXTS),
        records.same_name(
            "sandbox",
            steps.enumeration(
                {
                    "read-only": "ReadOnly",
                    "workspace-write": "WorkspaceWrite",
                    "danger-full-access": "DangerFullAccess",
                }
            ),
        ),
        records.same_name(
            "approval",
            steps.enumeration(
                {
                    "untrusted": "Untrusted",
                    "on-failure": "OnFailure",
                    "on-request": "OnRequest",
                    "never": "Never",
                }
            ),
        ),
        records.same_name("threadConfig", steps.typed(dict)),
        records.same_name(
            "goal",
            steps.exact(
                records.record(
                    records.same_name("objective", steps.text()),
                    records.same_name("tokenBudget", steps.integer(least=1, most=2**63 - 1)),
                )
            ),
        ),
        records.move("bootstrapTimeoutMs", "bootstrapTimeout", conversion_parts.MILLISECONDS),
        records.same_name("experimentalRawEvents", FLAG),
        records.same_name("persistExtendedHistory", FLAG),
    ),
    extra="extra",
)
EXEC = records.sealed_record(
    (
        records.same_name("binary", steps.text()),
        records.move("argsTemplate", "args", TEXTS),
        records.move("envTemplate", "env", steps.exact(TEMPLATES)),
        records.move("inputFiles", "files", steps.exact(steps.each_by("path", FILE))),
        records.same_name("outputArtifacts", steps.exact(steps.each_by("name", ARTIFACT))),
    ),
    extra="extra",
)
TYPE = records.move(
    "type", "type", steps.enumeration({"codex-app-server": "CodexAppServer", "exec": "Exec"})
)
CODEX_ARM = records.move("codex", "codexAppServer", CODEX)
EXEC_ARM = records.same_name("exec", EXEC)
# Settings of an adapter that is not selected are kept in extra.
ADAPTERS: Final = {
    "codex-app-server": records.sealed_record((TYPE, CODEX_ARM), extra="extra"),
    "exec": records.sealed_record((TYPE, EXEC_ARM), extra="extra"),
}
UNKNOWN_ADAPTER = records.sealed_record((TYPE,), extra="extra")
# The API server may convert partial objects, without type and binary.
UNTYPED_ADAPTER = records.sealed_record((TYPE, CODEX_ARM, EXEC_ARM), extra="extra")


def _adapter_of(word: JSON) -> steps.Step:
    return ADAPTERS.get(word, UNKNOWN_ADAPTER) if type(word) is str else UNTYPED_ADAPTER


def _inferred_type(binary: JSON) -> JSON:
    """Return the type that v1alpha1 controllers infer without adapter.type."""
    if type(binary) is not str:
        return steps.ABSENT
    return "codex-app-server" if not binary or binary.endswith("/agent-runner") else "exec"


def _adapter_up(old: dict[str, JSON], new: dict[str, JSON]) -> None:
    adapter = _without_counting(old)
    settings = adapter if type(adapter) is dict else {}
    if type(settings.get("type")) is not str:
        inferred = _inferred_type(old.get("binary"))
        if inferred is not steps.ABSENT:
            settings = {**settings, "type": inferred}
    if settings or type(adapter) is dict:
        new["adapter"] = _adapter_of(settings.get("type")).up(settings)


def _word_of(adapter: dict[str, JSON]) -> JSON:
    """Return the adapter's type, which may be unknown to v1beta1."""
    word = TYPE.step.down(adapter.get("type"))
    foreign = steps.get(adapter, ("extra", "type"))
    is_foreign = TYPE.step.up(foreign) is steps.ABSENT
    return foreign if word is steps.ABSENT and is_foreign else word


def _adapter_down(new: dict[str, JSON], old: dict[str, JSON]) -> None:
    adapter = new.get("adapter")
    if type(adapter) is dict:
        settings = _adapter_of(_word_of(adapter)).down(adapter)
        old["adapter"] = _without_lists({**old, "adapter": settings})["adapter"]


ADAPTER = records.PartFn(
    _adapter_up, _adapter_down, uses=(records.same_name("adapter", UNTYPED_ADAPTER),)
)

# --- files (row 25) and the rest ---------------------------------------------------------------

FILES = steps.each_by("path", conversion_parts.written_out(FILE, "configMapKeyRef", "secretKeyRef"))
WORKLOAD = records.record(
    records.keep("image", "serviceAccountName"),
    records.same_name(
        "serviceAccountToken",
        records.record(records.keep("audience", "expirationSeconds", "mountPath")),
    ),
    records.same_name("resources", conversion_parts.RESOURCES),
)
CAPACITY = steps.enumeration({"degrade": "Degrade", "block": "Block"})

SPEC = records.record(
    records.move("binary", "runner.command"),
    records.move("argsTemplate", "runner.args"),
    ADAPTER,
    ENV,  # after the adapter up, so before it down: the adapter reads secretEnv
    records.move("inputFiles", "files", FILES),
    records.same_name("outputArtifacts", steps.each_by("name", ARTIFACT)),
    records.same_name(
        "health",
        records.record(records.move("capacityFailurePolicy", "onCapacityExhausted", CAPACITY)),
    ),
    records.same_name("workload", WORKLOAD),
)

CONVERSION = conversion_parts.conversion(
    SPEC, conversion_parts.status(), unordered_paths=("spec.adapter.exec.env",)
)
