"""The API server's audit log of a test, compared with the matrix of rights. Shell: reads files."""

import dataclasses
import json
import pathlib
from collections.abc import Iterable, Iterator
from typing import Any, Final

from webhooks.deployment.rights import Right

POLICY: Final = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived", "ResponseStarted"],
    "rules": [
        {"level": "Metadata", "userGroups": ["system:serviceaccounts:agents-system"]},
        {"level": "None"},
    ],
}
FORBIDDEN: Final = 403
CREATED: Final = 201


def flags(directory: pathlib.Path) -> list[str]:
    """The API server's flags that write the log to ``audit.log`` in a directory."""
    (directory / "policy.json").write_text(json.dumps(POLICY))
    return [
        f"--audit-policy-file={directory / 'policy.json'}",
        f"--audit-log-path={directory / 'audit.log'}",
        "--audit-log-maxsize=1000",
    ]


@dataclasses.dataclass(frozen=True, slots=True)
class Call:
    """A call of a component."""

    who: str
    verb: str
    group: str
    target: str
    namespace: str
    name: str
    code: int

    @property
    def is_denied(self) -> bool:
        """Whether the API server's authorizer refused it."""
        return self.code == FORBIDDEN


def calls(directory: pathlib.Path) -> Iterator[Call]:
    """The calls of service accounts named ``PREFIX-COMPONENT``, discovery apart."""
    for line in (directory / "audit.log").read_text().splitlines():
        event: dict[str, Any] = json.loads(line)
        place = event.get("objectRef")
        if place is None:
            continue
        parts = (place.get("resource", ""), place.get("subresource", ""))
        yield Call(
            who=event["user"]["username"].rsplit("-", 1)[-1],
            verb=event["verb"],
            group=place.get("apiGroup", ""),
            target="/".join(filter(None, parts)),
            namespace=place.get("namespace", ""),
            name=place.get("name", ""),
            code=(event.get("responseStatus") or {}).get("code", 0),
        )


def unused(rights: Iterable[Right], seen: Iterable[Call]) -> list[str]:
    """The verbs of rights that no call used.

    A server-side apply that creates an object is logged as a patch; the API server asks for the
    right to create as well.
    """
    allowed = [call for call in seen if not call.is_denied]
    used = {(call.who, call.verb, call.group, call.target) for call in allowed}
    used |= {
        (call.who, "create", call.group, call.target)
        for call in allowed
        if (call.verb, call.code) == ("patch", CREATED)
    }
    return sorted(
        {
            f"{right.who}: {verb} {right.target}"
            for right in rights
            for verb in right.verbs
            if (right.who, verb, right.resource.group, right.target) not in used
        }
    )
