"""Names allowed by the operator's policy and an agent's, and where objects refer to them. Pure.

Denied takes precedence over allowed; ``*`` is a wildcard. Without a list of allowed names, all are
allowed except those unsafe by default (``settings.UNSAFE``, ``settings.SAFE``).
"""

import functools
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, TypeAlias

import msgspec

from crds.admission import members, patterns, settings
from crds.admission.pods import image_references
from crds.admission.settings import Policy
from schemagen import deadlines
from schemagen.problems import JSON, quoted

Parts: TypeAlias = tuple[str, ...]
"""The parts of a FieldPath, which is only built where there is a problem."""

NamedReference: TypeAlias = tuple[str, Parts, str]
"""The setting that governs a name, the path of the field with it, and the name."""

_NOUNS: Final = {
    "images": "an image",
    "secrets": "a secret",
    "configMaps": "a ConfigMap",
    "serviceAccounts": "a service account",
    "tokenAudiences": "a token audience",
    "persistentVolumeClaims": "a PersistentVolumeClaim",
    "priorityClasses": "a priority class",
    "schedulers": "a scheduler",
    "runtimeClasses": "a runtime class",
    "podLabels": "a label of Jobs and pods",
    "annotations": "a pod annotation",
    "nodeSelectors": "a node selector",
    "tolerations": "a toleration",
    "sysctls": "a sysctl",
    "seccompProfiles": "a seccomp profile",
    "appArmorProfiles": "an AppArmor profile",
    "seLinuxOptions": "an SELinux option",
    "volumeTypes": "a volume type",
}
_FIELDS: Final = {field.encode_name: field.name for field in msgspec.structs.fields(Policy)}
_ALL: Final = settings.Names()


# -------------------------------------------------------------------------- the operator's policy


def refusal(topic: str, name: str, policy: Policy) -> str:
    """Return why the operator does not allow a name; empty if allowed."""
    return _refusal(topic, name, _rules(topic, policy))


@functools.lru_cache(maxsize=4096)
def _refusal(topic: str, name: str, rules: settings.Names) -> str:
    if topic == "images":
        return _image_refusal(name, rules)
    why = denial(topic, (name,), (name,), rules)
    if topic == "secrets" and _matching(topic, (name,), rules.denied) is not None:
        return f"expected {_NOUNS[topic]} that the operator does not deny, got {quoted(name)}"
    return f"expected {_NOUNS[topic]} that is allowed, got {quoted(name)}, {why}" if why else ""


def is_limited(topic: str, policy: Policy) -> bool:
    """Whether a policy may refuse any name of a topic."""
    is_safe = topic not in settings.SAFE and topic not in settings.UNSAFE
    return not is_safe or _rules(topic, policy) != _ALL


def _rules(topic: str, policy: Policy) -> settings.Names:
    rules: settings.Names = getattr(policy, _FIELDS[topic])
    return rules


def _image_refusal(image: str, rules: settings.Names) -> str:
    if rules == _ALL:
        return ""
    reference = image_references.parse(image)
    if reference is None:
        return f"expected an image reference, got {quoted(image)}"
    denied = (image, *reference.spellings, reference.with_tag)
    why = denial("images", denied, reference.spellings, rules)
    if not why:
        return ""
    pattern = _matching("images", denied, rules.denied)
    is_clear = pattern is None or _matching("images", (image,), rules.denied)
    shown = quoted(image) if is_clear else f"{quoted(image)}, that is {quoted(str(reference))}"
    return f"expected an image that is allowed, got {shown}, {why}"


def denial(topic: str, denied: Sequence[str], allowed: Sequence[str], rules: settings.Names) -> str:
    """Return why a name is not allowed; empty if allowed.

    Args:
        topic: Name of the setting.
        denied: Spellings of the name, none of which may be denied.
        allowed: Spellings of the name, one of which must be allowed.
        rules: Value of the setting.
    """
    pattern = _matching(topic, denied, rules.denied)
    if pattern is not None:
        return f"which {quoted(pattern)} denies"
    if rules.allowed is not None:
        is_allowed = _matching(topic, allowed, rules.allowed) is not None
        return "" if is_allowed else "which no pattern allows"
    safe = settings.SAFE.get(topic)
    is_unsafe = _matching(topic, denied, settings.UNSAFE.get(topic, ())) is not None
    if is_unsafe or (safe is not None and _matching(topic, allowed, safe) is None):
        return f"which only the operator's settings (policy: {topic}: {{allowed: [...]}}) allow"
    return ""


def _matching(topic: str, texts: Iterable[str], given: Iterable[str]) -> str | None:
    """Return the first pattern that a name matches; registries in image patterns are normalized."""
    canonical = image_references.pattern if topic == "images" else str
    return patterns.matching(texts, given, canonical)


# ------------------------------------------------------------------------------ an agent's policy

_ALLOW_ALL: Final = {"mode": "AllowAll"}
AGENT_TOPICS: Final = {"secrets": "secrets", "serviceAccounts": "serviceAccounts"}


def agent_refusal(topic: str, name: str, agent: JSON) -> str:
    """Return why an agent's ``spec.policy`` does not allow a name; empty if allowed."""
    if topic not in AGENT_TOPICS or _is_allowed(_of_agent(agent, topic), name):
        return ""
    return f"expected {_NOUNS[topic]} that the agent allows, got {quoted(name)}"


def is_limited_by(topic: str, agent: JSON) -> bool:
    """Whether an agent's policy may refuse a name."""
    return topic in AGENT_TOPICS and _mode(_of_agent(agent, topic)) != "AllowAll"


def _of_agent(agent: JSON, what: str) -> JSON:
    """Return a rule of an agent's policy; an unreadable rule allows nothing."""
    rule = members.at(agent, "spec").get("policy")
    if rule is None:
        return _ALLOW_ALL
    return rule.get(what, _ALLOW_ALL) if isinstance(rule, dict) else None


def _mode(rule: JSON) -> JSON:
    return rule.get("mode") if isinstance(rule, dict) else None


def _is_allowed(rule: JSON, name: str) -> bool:
    """Whether a rule ``{mode, allowed}`` of an agent's policy allows a name; fails closed."""
    mode = _mode(rule)
    if mode == "AllowListed":
        allowed = rule.get("allowed")
        return isinstance(allowed, list) and name in allowed
    return bool(mode == "AllowAll")


# ------------------------------------------------------------------------------------ references

# Lists whose items, or their names, are Secrets. Free-form configuration is searched for the same
# field names, because a runtime may honour them there too.
_SECRET_LISTS: Final = frozenset({".secretRefs", ".imagePullSecrets", ".secrets"})
_SECRET_PARENTS: Final = (".secretKeyRef", ".secretRef", ".secret")
_BY_PARENT: Final = {
    **dict.fromkeys(_SECRET_PARENTS, "secrets"),
    **dict.fromkeys((".configMapKeyRef", ".configMapRef", ".configMap"), "configMaps"),
}
_BY_FIELD: Final = {
    ".secretName": "secrets",
    ".claimName": "persistentVolumeClaims",
    ".serviceAccountName": "serviceAccounts",
    ".serviceAccount": "serviceAccounts",
}


def find_references(value: JSON, parts: Parts) -> Iterator[NamedReference]:
    """Yield every Secret, ConfigMap, claim, ServiceAccount and token audience in a value."""
    for place, text in walk_strings(value, parts):
        topic = _topic(place)
        if topic:
            yield topic, place, text


def _topic(parts: Parts) -> str:
    last = parts[-1]
    if last in _BY_FIELD:
        return _BY_FIELD[last]
    if last == ".name":
        return _topic_of_name(parts)
    parent = parts[-2] if len(parts) > 1 else ""
    if last == ".audience" and parent == ".serviceAccountToken":
        return "tokenAudiences"
    return "secrets" if parent in _SECRET_LISTS and last.startswith("[") else ""


def _topic_of_name(parts: Parts) -> str:
    parent = parts[-2] if len(parts) > 1 else ""
    in_list = parent.startswith("[") and len(parts) > 2 and parts[-3] in _SECRET_LISTS  # noqa: PLR2004 - list, item, name
    return "secrets" if in_list or parent.endswith("SecretRef") else _BY_PARENT.get(parent, "")


def walk_strings(value: JSON, parts: Parts) -> Iterator[tuple[Parts, str]]:
    """Yield every string in a value, with its path."""
    deadlines.check()
    if isinstance(value, str):
        yield parts, value
        return
    if isinstance(value, dict) and _is_token_of_the_api_server(value, parts):
        yield (*parts, ".audience"), ""
    for step, member in _members(value):
        yield from walk_strings(member, (*parts, step))


def _is_token_of_the_api_server(value: dict[str, JSON], parts: Parts) -> bool:
    return parts[-1:] == (".serviceAccountToken",) and not value.get("audience")


def _members(value: JSON) -> Iterator[tuple[str, JSON]]:
    """Yield the members that may contain strings, with the step to each; skips empty lists."""
    if isinstance(value, dict):
        yield from (
            (f".{name}", member) for name, member in value.items() if _may_hold_texts(member)
        )
    elif isinstance(value, list):
        items = ((at, member) for at, member in enumerate(value) if _may_hold_texts(member))
        yield from ((f"[{_key(member, at)}]", member) for at, member in items)


def _may_hold_texts(value: JSON) -> bool:
    return isinstance(value, str | dict) or (isinstance(value, list) and bool(value))


def _key(item: JSON, index: int) -> str | int:
    """Return the key of a list item: its name, or its index."""
    return (isinstance(item, dict) and members.text(item, "name")) or index
