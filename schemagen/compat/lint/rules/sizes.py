"""Rules about the size of a CRD and the cost of its CEL rules."""

from collections.abc import Iterator
from typing import Final

from schemagen import go_format, judge
from schemagen.compat.findings import Level
from schemagen.compat.lint.registry import Rule
from schemagen.compat.lint.targets import Found, Target
from schemagen.crd import apply_size, costs
from schemagen.problems import JSON

# etcd's default limit of a request (--max-request-bytes): 1.5 MiB.
_ETCD_BYTES: Final = 3 * 512 * 1024
_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
# Metadata that the API server sets.
_SET: Final = frozenset(
    {"managedFields", "creationTimestamp", "generation", "resourceVersion", "uid"}
)
# A rule that takes most of its budget is refused once a bound above it grows.
_NEAR: Final = 0.75


def _declared(crd: dict[str, JSON]) -> dict[str, JSON]:
    """Return a CRD as its author applies it, without what a cluster added."""
    metadata = {name: part for name, part in crd["metadata"].items() if name not in _SET}
    annotations = metadata.pop("annotations", None)
    if annotations:
        own = {name: text for name, text in annotations.items() if name != _LAST_APPLIED}
        metadata["annotations"] = own
    return {name: part for name, part in crd.items() if name != "status"} | {"metadata": metadata}


def _apply(target: Target) -> Iterator[Found]:
    size = apply_size.annotation_bytes(_declared(target.crd))
    if size > apply_size.LIMIT_BYTES:
        yield Found(
            f"expected at most {apply_size.LIMIT_BYTES} bytes of annotations after client-side "
            f"kubectl apply, got {size}; apply it with --server-side, or shorten descriptions "
            "(schemagen generate --fit-apply)"
        )


def _etcd(target: Target) -> Iterator[Found]:
    size = len(go_format.marshalled(target.crd).encode())
    if size > _ETCD_BYTES:
        yield Found(
            f"expected at most {_ETCD_BYTES} bytes of JSON, etcd's limit of a request, got {size}; "
            "serve fewer versions or shorten descriptions"
        )


def _budget(target: Target) -> Iterator[Found]:
    if any(cost.cost > cost.limit for cost in target.verdict.costs):
        for advice in costs.advice(target.oracle, target.crd):
            # The version and path that it begins with are those of the finding.
            yield _of_cost(target, advice.cost, str(advice).partition(": ")[2])


def _near(target: Target) -> Iterator[Found]:
    for cost in target.verdict.costs:
        if _NEAR * cost.limit < cost.cost <= cost.limit:
            yield _of_cost(
                target,
                cost,
                f"expected a cost well below {cost.limit}, got {cost.cost} for the rule "
                f"{cost.rule!r}; bound what it reads by maxItems, maxProperties or maxLength",
            )


def _of_cost(target: Target, cost: judge.Cost, message: str) -> Found:
    path = cost.path.replace(".[]", "[]").replace(".{}", "{}").replace("<nil>", "")
    found = (
        node
        for version in target.versions
        for node in version.nodes
        if version.name == cost.version and node.path == path
    )
    node = next(found, None)
    return Found(message, cost.version, path, node.field if node else "")


THEME: Final = "sizes"

RULES: Final = (
    Rule(
        id="size-apply",
        theme=THEME,
        level=Level.WARNING,
        finds="a CRD too large for client-side kubectl apply",
        why="kubectl apply stores the whole CRD in an annotation; all annotations together may "
        "have 256 KiB, and the CRD cannot be installed so",
        fix="shorten descriptions, serve fewer versions, or document kubectl apply --server-side",
        check=_apply,
    ),
    Rule(
        id="size-etcd",
        theme=THEME,
        level=Level.ERROR,
        finds="a CRD larger than etcd's limit of a request, 1.5 MiB",
        why="etcd refuses it, whatever the client",
        fix="serve fewer versions, shorten descriptions, or split the kind",
        check=_etcd,
    ),
    Rule(
        id="cost-budget",
        theme=THEME,
        level=Level.ERROR,
        finds="a CEL rule whose estimated cost exceeds the API server's limit",
        why="the API server refuses the CRD",
        fix="bound what the rule reads; the finding names the largest bounds that fit",
        check=_budget,
        others=("crd-schema-checker MustNotExceedCostBudget",),
    ),
    Rule(
        id="cost-near",
        theme=THEME,
        level=Level.WARNING,
        finds="a CEL rule that takes more than three quarters of the cost that is allowed",
        why="the next looser bound, or an older API server with a higher estimate, refuses the CRD",
        fix="bound what the rule reads more tightly",
        check=_near,
    ),
)
