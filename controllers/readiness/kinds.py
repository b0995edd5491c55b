"""The findings of each kind. Pure."""

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from controllers.readiness.findings import Effect, Finding, Report, Type
from controllers.readiness.references import (
    Observed,
    key_findings,
    object_finding,
    signing_findings,
)
from controllers.runs import json_access, projections
from crds.admission import names_policy
from crds.admission.pods import image_references
from crds.admission.settings import Settings
from schemagen.problems import JSON, quoted

ADAPTERS: Final = ("CodexAppServer", "Exec")
"""Adapters of the agent-runner."""

# Roots of the values for templates: `controllers.runner.spec.names`.
TEMPLATE_ROOTS: Final = frozenset(
    {"config", "inputs", "payloads", "observability", "artifacts", "goal"}
)
_TEMPLATE: Final = re.compile(r"\{\{([^{}]*)\}\}")


def agent(spec: JSON, seen: Observed, settings: Settings) -> Report:
    """Report on an Agent: its provider, memory, Git server and Secrets, and the policies."""
    found = [
        *_required(spec, "MissingProviderRef", "providerRef", "name"),
        *_reference(seen, projections.PROVIDERS.kind, spec, "providerRef", "Provider"),
        *_reference(seen, projections.MEMORIES.kind, spec, "memoryRef", "Memory"),
        *_reference(seen, projections.VERSION_CONTROL.kind, spec, "vcsRef", "VersionControl"),
        *_policy_findings(spec, settings, {"spec": spec}),
        *key_findings(spec, seen),
    ]
    return Report(types=(Type.INVALID_SPEC, Type.UNREACHABLE), findings=found)


def provider(spec: JSON, seen: Observed, settings: Settings) -> Report:
    """Report on an AgentProvider: its adapter, image, templates and Secrets."""
    found = [
        *_adapter_findings(spec),
        *_image_findings(spec, settings),
        *_policy_findings(spec, settings, None),
        *key_findings(spec, seen),
        *_template_findings(spec),
    ]
    types = (Type.INVALID_SPEC, Type.UNREACHABLE, Type.DEGRADED)
    return Report(types=types, findings=found)


def implementation(spec: JSON, seen: Observed, settings: Settings) -> Report:
    """Report on an ImplementationSpec: its text, contract and Git server."""
    del settings
    found = [
        *_text_findings(spec),
        *_contract_findings(spec.get("contract") or {}),
        *_reference(seen, projections.VERSION_CONTROL.kind, spec, "vcsRef", "VersionControl"),
    ]
    return Report(findings=found)


def version_control(spec: JSON, seen: Observed, settings: Settings) -> Report:
    """Report on a VersionControlProvider: its credentials, and what the policy allows."""
    found = [
        *_credential_findings(spec),
        *_policy_findings(spec, settings, None),
        *key_findings(spec, seen, needs_secrets=True),
    ]
    return Report(
        reason="CredentialsFound" if json_access.at(spec, "auth") else "NoCredentialsNeeded",
        types=(Type.INVALID_SPEC, Type.UNREACHABLE),
        findings=found,
    )


def memory(spec: JSON, seen: Observed, settings: Settings) -> Report:
    """Report on a Memory: the Secret with its connection."""
    found = [
        *_required(spec, "MissingSecretRef", "connection", "secretKeyRef", "name"),
        *_policy_findings(spec, settings, None),
        *key_findings(spec, seen, needs_secrets=True),
    ]
    types = (Type.INVALID_SPEC, Type.UNREACHABLE, Type.DEFAULT)
    return Report(reason="SecretResolved", types=types, findings=found)


def source(spec: JSON, seen: Observed, settings: Settings) -> Report:
    """Report on an ImplementationSource: its secrets, and whether its issues are ingested."""
    del settings
    mode = json_access.at(spec, "ingestion", "mode") or _DISABLED
    types = (Type.INVALID_SPEC, Type.UNREACHABLE, Type.DEGRADED)
    if mode == _DISABLED:
        message = "spec.ingestion.mode is Disabled: no issues are ingested"
        return Report(reason=_DISABLED, message=message, types=types)
    found = [*_ingestion_findings(spec, mode, seen)]
    if mode == "Webhook":
        found += signing_findings(spec, seen)
    if _is_read(spec):
        # Deliveries are received without them; what got lost is not read.
        credentials = {"credentials": spec.get("credentials")}
        found += (
            finding
            if mode == "Poll"
            else dataclasses.replace(finding, type=Type.DEGRADED, effect=Effect.NONE)
            for finding in key_findings(credentials, seen, needs_secrets=True)
        )
    return Report(reason=_INGESTING[mode], types=types, findings=found)


_DISABLED: Final = "Disabled"
_INGESTING: Final = {"Webhook": "Receiving", "Poll": "Polling"}


def _ingestion_findings(spec: JSON, mode: str, seen: Observed) -> Iterator[Finding]:
    if not seen.ingests:
        yield Finding(
            "NotIngested",
            "expected a controller that ingests issues, got one without --sources-port "
            "(the chart's value controller.sources.enabled)",
            Type.UNREACHABLE,
        )
    if mode == "Poll" and not _is_read(spec):
        yield Finding(
            "PollNotSupported",
            "expected spec.github.repository with mode Poll, got another scope: use mode Webhook",
        )


def _is_read(spec: JSON) -> bool:
    """Return whether the tracker's API is read: of repositories of GitHub only."""
    return bool(json_access.at(spec, "github", "repository"))


def with_default(report: Report, name: str, default: str | None) -> Report:
    """Add whether a Memory is the default of its namespace.

    Args:
        report: Report on the Memory.
        name: Its name.
        default: Name of the default: the oldest Memory that claims to be; None without one.
    """
    if name != default:
        return report
    message = "Runs of this namespace that name no Memory, and whose agents name none, use it."
    default_finding = Finding("DefaultOfNamespace", message, Type.DEFAULT, Effect.NONE)
    return dataclasses.replace(report, findings=(*report.findings, default_finding))


Rule = Callable[[JSON, Observed, Settings], Report]
RULES: Final[Mapping[str, Rule]] = {
    projections.AGENTS.kind: agent,
    projections.PROVIDERS.kind: provider,
    projections.IMPLEMENTATIONS.kind: implementation,
    projections.MEMORIES.kind: memory,
    projections.VERSION_CONTROL.kind: version_control,
    projections.SOURCES.kind: source,
}
"""Reports on an object from its spec, what it refers to, and the operator's settings, by kind."""


def object_names(kind: str, spec: JSON) -> Iterator[tuple[str, str]]:
    """Yield kind and name of the objects of the API that an object refers to."""
    fields = {
        "providerRef": projections.PROVIDERS,
        "memoryRef": projections.MEMORIES,
        "vcsRef": projections.VERSION_CONTROL,
    }
    if kind not in {projections.AGENTS.kind, projections.IMPLEMENTATIONS.kind}:
        return
    for field, resource in fields.items():
        name = json_access.at(spec, field, "name")
        if name:
            yield resource.kind, str(name)


def _reference(seen: Observed, kind: str, spec: JSON, field: str, reason: str) -> Iterator[Finding]:
    name = json_access.at(spec, field, "name")
    return object_finding(seen, kind, name, f"spec.{field}", reason=reason)


def _required(spec: JSON, reason: str, *names: str) -> Iterator[Finding]:
    """Yield that a field is missing, in an object that was stored before it was required."""
    if not json_access.at(spec, *names):
        yield Finding(reason, f"expected a name at spec.{'.'.join(names)}, got none")


def _policy_findings(spec: JSON, settings: Settings, agent: JSON) -> Iterator[Finding]:
    """Yield the names in a spec that the operator, or the agent itself, does not allow to runs."""
    for topic, parts, name in names_policy.find_references(spec, ("spec",)):
        refusal = names_policy.refusal(topic, name, settings.policy)
        if not refusal and agent is not None:
            refusal = names_policy.agent_refusal(topic, name, agent)
        if refusal:
            yield Finding("NotAllowed", f"{refusal}, at {''.join(parts)}")


def _adapter_findings(spec: JSON) -> Iterator[Finding]:
    kind = json_access.at(spec, "adapter", "type")
    if kind not in ADAPTERS:
        yield Finding(
            "UnknownAdapter",
            f"expected {' or '.join(ADAPTERS)} at spec.adapter.type, got {quoted(str(kind))}",
        )
    binary = json_access.at(spec, "adapter", "exec", "binary")
    if kind == "Exec" and not binary and not json_access.at(spec, "runner", "command"):
        yield Finding(
            "MissingBinary",
            "expected a program at spec.adapter.exec.binary or spec.runner.command, got none",
        )


def _image_findings(spec: JSON, settings: Settings) -> Iterator[Finding]:
    image = json_access.at(spec, "workload", "image")
    if not image:
        return
    if image_references.parse(image) is None:
        message = f"expected an image reference at spec.workload.image, got {quoted(image)}"
        yield Finding("InvalidImage", message)
    elif refusal := names_policy.refusal("images", image, settings.policy):
        yield Finding("NotAllowed", f"{refusal}, at spec.workload.image")


# Fields of a provider whose templates are expanded; items of a list, and members of a map, too.
_TEMPLATES: Final[Sequence[tuple[str, ...]]] = (
    ("runner", "args"),
    ("files",),
    ("outputArtifacts",),
    ("adapter", "exec", "args"),
    ("adapter", "exec", "env"),
    ("adapter", "exec", "files"),
    ("adapter", "exec", "outputArtifacts"),
    ("adapter", "codexAppServer", "prompt"),
    ("adapter", "codexAppServer", "baseInstructions"),
    ("adapter", "codexAppServer", "developerInstructions"),
)


def _template_findings(spec: JSON) -> Iterator[Finding]:
    """Yield templates that expand to nothing: their value has an unknown name."""
    for names in _TEMPLATES:
        parts = tuple(f".{name}" for name in names)
        for place, text in names_policy.walk_strings(json_access.at(spec, *names), parts):
            for match in _TEMPLATE.finditer(text):
                root = match[1].partition(".")[0].strip()
                if root not in TEMPLATE_ROOTS:
                    yield Finding(
                        "UnknownTemplateValue",
                        f"expected a template of {', '.join(sorted(TEMPLATE_ROOTS))} at "
                        f"spec{''.join(place)}, got {quoted(match[0])}, which expands to nothing",
                        Type.DEGRADED,
                        Effect.NONE,
                    )


def _text_findings(spec: JSON) -> Iterator[Finding]:
    if not str(spec.get("text") or "").strip():
        yield Finding("MissingText", "expected the task at spec.text, got an empty text")


def _contract_findings(contract: JSON) -> Iterator[Finding]:
    """Yield what of a contract no run can fulfil, or what contradicts itself."""
    aliases = contract.get("aliases") or []
    targets: dict[str, str] = {}
    for index, alias in enumerate(aliases):
        name, to = alias.get("from"), alias.get("to")
        where = f"spec.contract.aliases[{index}]"
        if name == to:
            message = f"expected another name than {quoted(name)} at {where}.to, got the same"
            yield Finding("InvalidContract", message)
        elif targets.setdefault(name, to) != to:
            message = f"expected one parameter for alias {quoted(name)}, got two, at {where}.to"
            yield Finding("InvalidContract", message)
    required = contract.get("requiredParameters") or []
    for index, name in enumerate(required):
        if name in required[:index]:
            message = f"expected {quoted(name)} once in spec.contract.requiredParameters, got twice"
            yield Finding("InvalidContract", message)


def _credential_findings(spec: JSON) -> Iterator[Finding]:
    kind = json_access.at(spec, "auth", "type")
    field = {"Token": "token", "App": "app", "SSH": "ssh"}.get(str(kind))
    if field and not json_access.at(spec, "auth", field):
        message = f"expected spec.auth.{field}, which auth.type {kind} requires, got none"
        yield Finding("MissingCredentials", message)
    if kind in {"Token", "App"} and json_access.at(spec, "clone", "protocol") == "SSH":
        yield Finding(
            "InvalidProtocol",
            f"expected spec.clone.protocol HTTPS, which auth.type {kind} requires, got SSH",
        )
