"""VersionControlProvider v1alpha1 <-> v1beta1 (row VCP of the field table)."""

from typing import Final

from crds.v1alpha1.conversions import conversion_parts
from schemagen.problems import JSON
from schemagen.versions import records, steps

# --- auth: a union, tagged by type -------------------------------------------------------------

METHODS: Final = {"token": "Token", "app": "App", "ssh": "SSH", "none": "None"}
METHOD = steps.enumeration(METHODS)

# Without a method, v1alpha1 controllers use the first of these that references a Secret.
SECRETS: Final = {
    "token": ("token", "secretRef", "name"),
    "app": ("app", "privateKeySecretRef", "name"),
    "ssh": ("ssh", "privateKeySecretRef", "name"),
}

ID = steps.Fn(
    lambda value: str(value) if type(value) is int else steps.text().up(value), steps.text().down
)
ARMS: Final = {
    "token": records.record(
        records.keep("secretRef"),
        records.same_name(
            "type",
            steps.enumeration(
                {
                    "pat": "PAT",
                    "fine_grained": "FineGrained",
                    "api_token": "APIToken",
                    "access_token": "AccessToken",
                }
            ),
        ),
    ),
    "app": records.record(
        records.keep("privateKeySecretRef"),
        records.same_name("appId", ID),
        records.same_name("installationId", ID),
        records.move("tokenTtlSeconds", "tokenTTL", conversion_parts.SECONDS),
    ),
    "ssh": records.record(records.keep("privateKeySecretRef", "knownHostsConfigMapRef")),
}


def _method_of(auth: dict[str, JSON]) -> str:
    """Return the method that v1alpha1 controllers use."""
    method = auth.get("method")
    if type(method) is str and method in METHODS:
        return method
    named = (method for method, path in SECRETS.items() if _is_name(steps.get(auth, path)))
    return next(named, "none")


def _is_name(value: JSON) -> bool:
    return type(value) is str and value.strip() != ""


def _method_up(old: dict[str, JSON], new: dict[str, JSON]) -> None:
    method = _method_of(old)
    new["type"] = METHODS[method]
    if method in ARMS:
        steps.put(new, (method,), ARMS[method].up(old.get(method)))


def _method_down(new: dict[str, JSON], old: dict[str, JSON]) -> None:
    # Always set the method, so that it is not inferred from sibling fields.
    method = METHOD.down(new.get("type"))
    if method is steps.ABSENT:
        method = "none"
    old["method"] = method
    if method in ARMS:
        steps.put(old, (method,), ARMS[method].down(new.get(method)))


AUTH = records.record(
    records.keep("username"),
    records.PartFn(
        _method_up,
        _method_down,
        uses=(
            records.move("method", "type", METHOD),
            *(records.same_name(name, arm) for name, arm in ARMS.items()),
        ),
    ),
)

# --- policy: an empty list allows everything, in both versions ----------------------------------

PATTERNS = steps.each(steps.text())


def _allowed(value: JSON) -> JSON:
    if value is None:
        return steps.ABSENT
    patterns = PATTERNS.up(value)
    is_readable = patterns is not steps.ABSENT and (patterns or value == [])
    return patterns if is_readable else [conversion_parts.DENY_ALL]


POLICY = records.record(
    records.same_name("allow", steps.Fn(_allowed, _allowed)),
    records.same_name("deny", PATTERNS),
)

SPEC = records.record(
    records.same_name(
        "provider",
        steps.enumeration(
            {
                "github": "GitHub",
                "gitlab": "GitLab",
                "bitbucket": "Bitbucket",
                "gitea": "Gitea",
                "generic": "Generic",
            }
        ),
    ),
    records.move("apiBaseUrl", "endpoints.api"),
    records.move("cloneBaseUrl", "endpoints.clone"),
    records.move("webBaseUrl", "endpoints.web"),
    records.move(
        "cloneProtocol", "clone.protocol", steps.enumeration({"https": "HTTPS", "ssh": "SSH"})
    ),
    records.move("sshHost", "clone.ssh.host"),
    records.move("sshUser", "clone.ssh.user"),
    records.same_name("auth", AUTH),
    records.same_name("repositoryPolicy", POLICY),
    records.keep("capabilities", "defaults"),
)

STATUS = conversion_parts.status(records.move("lastValidatedAt", "lastValidationTime"))

CONVERSION = conversion_parts.conversion(SPEC, STATUS)
