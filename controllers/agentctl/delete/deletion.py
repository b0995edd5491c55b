"""Implements ``agentctl delete``. Shell: the cluster, and the terminal."""

import dataclasses
import sys
from typing import Literal, TypeAlias

from controllers import kube
from controllers.agentctl import exits, kind_names, session
from controllers.agentctl.exits import Exit

DryRun: TypeAlias = Literal["none", "client", "server"]


@dataclasses.dataclass(frozen=True)
class Deletion:
    """The objects to delete.

    Attributes:
        word: Name of their kind.
        names: Their names.
        namespace: Their namespace.
        dry_run: What is done instead of deleting them.
    """

    word: str
    names: tuple[str, ...]
    namespace: str
    dry_run: DryRun


def run(cluster: session.Cluster, deletion: Deletion, *, is_confirmed: bool) -> Exit:
    """Delete the objects, on a terminal after a confirmation; return the exit code."""

    def act() -> Exit:
        # Input is checked before a cluster is looked for.
        resource = kind_names.resource(deletion.word)
        if deletion.dry_run == "none" and not is_confirmed and not _confirm(resource, deletion):
            session.say("nothing was deleted")
            return Exit.UNSATISFIED
        return session.run(cluster, lambda client: _delete_all(client, resource, deletion))

    return session.attempt(act)


def _confirm(resource: kube.Resource, deletion: Deletion) -> bool:
    """Return whether the user agrees; scripts, which have no terminal, are not asked."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return True
    names = ", ".join(kind_names.reference(resource, name) for name in deletion.names)
    # Not typer.confirm, which writes to standard output.
    sys.stderr.write(f"delete {names} in namespace {deletion.namespace}? [y/N]: ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


async def _delete_all(client: kube.Client, resource: kube.Resource, deletion: Deletion) -> Exit:
    failures: dict[str, Exit] = {}
    for name in deletion.names:
        try:
            verb = await _delete(client, resource, name, deletion)
        except kube.KubeError as error:
            session.complain(*exits.lines_of(error))
            failures[name] = exits.code_of(error)
        else:
            session.show(f"{kind_names.reference(resource, name)} {verb}")
    total = len(deletion.names)
    if failures and total > 1:
        session.complain(
            f"expected to delete {total} {resource.plural}, {len(failures)} of them failed: repeat "
            f"the command with {' '.join(failures)}"
        )
    return max(failures.values(), default=Exit.OK)


async def _delete(
    client: kube.Client, resource: kube.Resource, name: str, deletion: Deletion
) -> str:
    """Delete an object; return what happened to it."""
    if deletion.dry_run == "client":
        await client.get(resource, name, namespace=deletion.namespace)
        return "would be deleted (client dry run)"
    answer = await client.delete(
        resource,
        name,
        namespace=deletion.namespace,
        dry_run=deletion.dry_run == "server",
        # As kubectl does; Jobs and pods of a run are removed by its owner references.
        propagation="Background",
    )
    if deletion.dry_run == "server":
        return "would be deleted (server dry run)"
    # A Status has no UID in its metadata.
    is_blocked = "uid" in (answer.get("metadata") or {})
    return "is being deleted: its finalizers are not done yet" if is_blocked else "deleted"
