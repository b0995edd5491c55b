"""Agent v1alpha1 <-> v1beta1 (rows 1 to 5 of the field table)."""

from collections.abc import Iterable
from typing import Final

from crds.v1alpha1.conversions import conversion_parts, implementationspec_conversion
from schemagen.problems import JSON
from schemagen.versions import records, steps

# --- environment (row 3): later variables win; only v1beta1 has references -----------

VARIABLE = conversion_parts.written_out(records.record(records.keep("name", "value")), "valueFrom")
ENV = steps.each_by_last("name", VARIABLE)

# --- policy (row 4): an empty list allowed everything ------------------------------------------

NAME = steps.typed(str, lambda value: value != conversion_parts.DENY_ALL)


def _allowance(item: steps.Step) -> steps.Step:
    """Convert an allow list <-> mode and items; an invalid list allows nothing."""
    items = steps.each_once(item)

    def up(value: JSON) -> JSON:
        if value is None:
            return steps.ABSENT
        if value == []:
            return {"mode": "AllowAll"}
        allowed = items.up(value)
        return {"mode": "AllowListed", "allowed": [] if allowed is steps.ABSENT else allowed}

    def down(value: JSON) -> JSON:
        if value is None:
            return steps.ABSENT
        if steps.get(value, ("mode",)) == "AllowAll":
            return []
        allowed = items.down(steps.get(value, ("allowed",)))
        return [conversion_parts.DENY_ALL] if allowed is steps.ABSENT or not allowed else allowed

    return steps.Fn(up, down)


LISTS: Final = {
    "allowedSecrets": ("secrets", NAME),
    "allowedServiceAccounts": ("serviceAccounts", NAME),
    "allowedImplementationSourceProviders": (
        "sourceProviders",
        implementationspec_conversion.PROVIDER,
    ),
}
READABLE_POLICY = records.record(
    *(records.move(old, new, _allowance(item)) for old, (new, item) in LISTS.items())
)


def _readable(value: JSON, names: Iterable[str]) -> JSON:
    """Replace an invalid policy by one with invalid lists, so that nothing is allowed."""
    no_list = False
    return value if value is None or type(value) is dict else dict.fromkeys(names, no_list)


POLICY = steps.Around(
    lambda value: READABLE_POLICY.up(_readable(value, LISTS)),
    lambda value: READABLE_POLICY.down(_readable(value, [new for new, _ in LISTS.values()])),
    READABLE_POLICY,
)

# --- defaults of runs (rows 1, 2): the system prompt is a union --------------------------------

# The kinds that hold a prompt, in order of precedence if both are set.
PROMPT_ARMS: Final = {"Secret": "secretKeyRef", "ConfigMap": "configMapKeyRef"}
PROMPTS: Final = (
    records.move("systemPrompt", "systemPrompt.inline", steps.text()),
    *(
        records.move("systemPromptRef", f"systemPrompt.{arm}", conversion_parts.KEY_REF)
        for arm in PROMPT_ARMS.values()
    ),
)


def _prompt_up(old: dict[str, JSON], new: dict[str, JSON]) -> None:
    reference = old.get("systemPromptRef")
    kind = steps.get(reference, ("kind",))
    arm = PROMPT_ARMS.get(kind) if type(kind) is str else None
    # If both are set, v1alpha1 controllers use the reference.
    if arm is not None:
        new["systemPrompt"] = {arm: conversion_parts.KEY_REF.up(reference)}
    else:
        steps.put(new, ("systemPrompt", "inline"), steps.text().up(old.get("systemPrompt")))


def _prompt_down(new: dict[str, JSON], old: dict[str, JSON]) -> None:
    union = new.get("systemPrompt")
    for kind, arm in PROMPT_ARMS.items():
        reference = conversion_parts.KEY_REF.down(steps.get(union, (arm,)))
        if reference is not steps.ABSENT:
            old["systemPromptRef"] = {"kind": kind, **reference}
            return
    steps.put(old, ("systemPrompt",), steps.text().down(steps.get(union, ("inline",))))


DEFAULTS = records.record(
    records.move("timeoutSeconds", "timeout", steps.to_duration()),
    records.move("retryLimit", "retry.limit", steps.integer(least=0)),
    records.PartFn(_prompt_up, _prompt_down, uses=PROMPTS),
)

SPEC = records.record(
    records.keep("providerRef", "config", "memoryRef", "vcsRef"),
    records.same_name("env", ENV),
    records.move("security", "policy", POLICY),
    records.move("defaults", "runDefaults", DEFAULTS),
)

CONVERSION = conversion_parts.conversion(SPEC, conversion_parts.status())
