"""The operator's policy for runs, and the agent's own: labels, images, secrets, accounts. Pure.

Settings, as ``webhooks serve --settings FILE`` reads them, under ``policy``::

    labels: {required: [team], denied: ["internal/*"], allowed: ["*"]}
    images: {denied: ["*:latest"], allowed: ["registry.example.com/*"]}
    secrets: {denied: [root-password]}

Denied goes before allowed; ``*`` stands for any text. An agent's ``spec.policy`` allows secrets and
service accounts by name; an empty list of those allowed denies all.
"""

import fnmatch
from collections.abc import Iterable, Iterator, Sequence

from schemagen import FieldPath, Problem, Reason
from schemagen.problems import JSON, quoted

Named = tuple[FieldPath, str]
"""A place that names something, and the name."""


def label_problems(run: JSON, policy: JSON) -> Iterator[Problem]:
    """What is wrong with the labels of a run."""
    rules = _member(policy, "labels")
    path = FieldPath().member("metadata").member("labels")
    labels = _member(_member(run, "metadata"), "labels")
    for key in _texts(rules, "required"):
        if key not in labels:
            yield Problem(path.key(key), "expected this label on every run", Reason.REQUIRED)
    for key in labels:
        why = _why_not(key, rules)
        if why:
            message = f"expected a label that is allowed, got {why}"
            yield Problem(path.key(key), message, Reason.FORBIDDEN)


def image_problems(spec: JSON, policy: JSON) -> Iterator[Problem]:
    """Images that the operator does not allow."""
    rules = _member(policy, "images")
    if not rules:
        return
    for path, image in images(spec):
        why = _why_not(image, rules)
        if why:
            message = f"expected an image that is allowed, got {quoted(image)}, {why}"
            yield Problem(path, message, Reason.FORBIDDEN)


def secret_problems(spec: JSON, policy: JSON, agent: JSON) -> Iterator[Problem]:
    """Secrets that the operator denies, or the agent does not allow."""
    denied = set(_texts(_member(policy, "secrets"), "denied"))
    own = _of_agent(agent, "secrets")
    if not denied and _mode(own) == "AllowAll":
        return
    for path, name in secrets(spec):
        if name in denied:
            message = f"expected a secret that the operator does not deny, got {quoted(name)}"
            yield Problem(path, message, Reason.FORBIDDEN)
        elif not _is_allowed(own, name):
            message = f"expected a secret that the agent allows, got {quoted(name)}"
            yield Problem(path, message, Reason.FORBIDDEN)


def account_problems(spec: JSON, agent: JSON) -> Iterator[Problem]:
    """Service accounts that the agent does not allow."""
    own = _of_agent(agent, "serviceAccounts")
    if _mode(own) == "AllowAll":
        return
    for path, name in service_accounts(spec):
        if not _is_allowed(own, name):
            message = f"expected a service account that the agent allows, got {quoted(name)}"
            yield Problem(path, message, Reason.FORBIDDEN)


# ------------------------------------------------------------------ what a run names, and where


def images(spec: JSON) -> Iterator[Named]:
    """The images that a run names: of its workload and of each step's."""
    for path, name in _walked(spec, FieldPath().member("spec")):
        if path.parts[-2:] == (".workload", ".image"):
            yield path, name


# The members that hold a secret's name, and the lists whose items' names are secrets. Free-form
# configuration is looked through by the same names: the runtime honours them there too.
_SECRET_PARENTS = frozenset({".secretKeyRef", ".secretRef"})
_SECRET_LISTS = frozenset({".secretRefs", ".imagePullSecrets", ".secrets"})
_ACCOUNTS = frozenset({".serviceAccountName", ".serviceAccount"})


def secrets(spec: JSON) -> Iterator[Named]:
    """Every secret that a run names, wherever it may name one."""
    for path, name in _walked(spec, FieldPath().member("spec")):
        *above, last = path.parts
        parent = above[-1] if above else ""
        in_list = parent.startswith("[") and len(above) > 1 and above[-2] in _SECRET_LISTS
        is_listed = last.startswith("[") and parent in _SECRET_LISTS
        is_reference = last == ".name" and (parent in _SECRET_PARENTS or in_list)
        if last == ".secretName" or is_reference or is_listed:
            yield path, name


def service_accounts(spec: JSON) -> Iterator[Named]:
    """The service accounts that a run names."""
    for path, name in _walked(spec, FieldPath().member("spec")):
        if path.parts[-1] in _ACCOUNTS:
            yield path, name


def _walked(value: JSON, path: FieldPath) -> Iterator[Named]:
    """Every text in a value, with its place."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for name, one in value.items():
            yield from _walked(one, path.member(name))
    elif isinstance(value, list):
        for index, one in enumerate(value):
            name = one.get("name") if isinstance(one, dict) else None
            yield from _walked(one, path.key(name if isinstance(name, str) else index))


# ---------------------------------------------------------------------------- allowed and denied


def _why_not(text: str, rules: JSON) -> str:
    """Why a text is not allowed; empty if it is."""
    denied = _matching(text, _texts(rules, "denied"))
    if denied:
        return f"which {quoted(denied)} denies"
    allowed = _texts(rules, "allowed")
    return "which nothing allows" if allowed and not _matching(text, allowed) else ""


def _matching(text: str, patterns: Iterable[str]) -> str | None:
    """The first of the patterns that a text matches; only ``*`` is special."""
    for pattern in patterns:
        escaped = pattern.replace("[", "[[]").replace("?", "[?]")
        if fnmatch.fnmatchcase(text, escaped):
            return pattern
    return None


_ALLOW_ALL = {"mode": "AllowAll"}


def _of_agent(agent: JSON, what: str) -> JSON:
    """A rule of an agent's policy; what cannot be read is a rule that allows nothing."""
    rule = _member(agent, "spec").get("policy")
    if rule is None:
        return _ALLOW_ALL
    return rule.get(what, _ALLOW_ALL) if isinstance(rule, dict) else None


def _mode(rule: JSON) -> JSON:
    return rule.get("mode") if isinstance(rule, dict) else None


def _is_allowed(rule: JSON, name: str) -> bool:
    """Whether a ``{mode, allowed}`` of an agent's policy allows a name; in doubt it does not."""
    mode = _mode(rule)
    return mode == "AllowAll" or (mode == "AllowListed" and name in _texts(rule, "allowed"))


def _member(value: JSON, name: str) -> dict[str, JSON]:
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def _texts(value: JSON, name: str) -> Sequence[str]:
    found = value.get(name) if isinstance(value, dict) else None
    return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []
