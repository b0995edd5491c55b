"""The list of tools: how each is built and prints its version."""

import dataclasses
import pathlib
from collections.abc import Callable

from schemagen.judge import minors, module, recipe


@dataclasses.dataclass(frozen=True)
class Tool:
    """A binary.

    Attributes:
        name: File name.
        package: Go package to build.
        version_arguments: Arguments that print its version.
        build_seconds: Approximate time of a cold build on two cores.
        is_kubernetes: Whether it has Kubernetes' version.
        folder: Directory of its own go.mod; None for the control plane's, beside this module.
        target: Go environment, if the tool is not for this machine.
        flags: Flags of ``go build``; by default to strip and to stamp the version.
        lay_out: Fills a build directory from ``folder``, given a function that runs Go there; None
            builds in ``folder`` itself.
        title: Its name for messages, if that of the file does not tell.
    """

    name: str
    package: str
    version_arguments: tuple[str, ...]
    build_seconds: int
    is_kubernetes: bool = False
    folder: pathlib.Path | None = None
    target: tuple[tuple[str, str], ...] = ()
    flags: tuple[str, ...] = ()
    lay_out: Callable[[pathlib.Path, pathlib.Path, Callable[..., str]], None] | None = None
    title: str = ""

    def __str__(self) -> str:
        return self.title or self.name


def _kubernetes(name: str, build_seconds: int, *version_arguments: str) -> Tool:
    return Tool(
        name,
        f"k8s.io/kubernetes/cmd/{name}",
        version_arguments or ("--version",),
        build_seconds,
        is_kubernetes=True,
    )


KUBE_APISERVER = _kubernetes("kube-apiserver", 300)
ETCD = Tool("etcd", "go.etcd.io/etcd/server/v3", ("--version",), 45)
KUBECTL = _kubernetes("kubectl", 60, "version", "--client")

# Required by every cluster, in build order.
NEEDED = (ETCD, KUBE_APISERVER, KUBECTL)

KUBE_CONTROLLER_MANAGER = _kubernetes("kube-controller-manager", 300)
KWOK = Tool("kwok", "sigs.k8s.io/kwok/cmd/kwok", ("--version",), 70)

# Also required by a cluster that runs Jobs.
FOR_JOBS = (KUBE_CONTROLLER_MANAGER, KWOK)

# The API server's validation for schemagen: a module that Python loads, not a program.
JUDGE = Tool(
    module.NAME,
    ".",
    (),
    90,
    folder=module.SOURCE,
    target=tuple(recipe.TARGET.items()),
    flags=recipe.FLAGS,
    lay_out=recipe.lay_out,
)


def older_judge(minor: minors.Minor) -> Tool:
    """Return the judge of an older minor version."""
    return Tool(
        module.NAME,
        ".",
        (),
        120,
        folder=minor.folder,
        target=tuple(recipe.TARGET.items()),
        flags=recipe.FLAGS,
        lay_out=lambda _, folder, go: minor.lay_out(folder, go),
        title=f"{module.NAME} of Kubernetes {minor}",
    )


ALL = {
    tool.name: tool
    for tool in (
        *NEEDED,
        *FOR_JOBS,
        _kubernetes("kube-scheduler", 30),
        Tool("helm", "helm.sh/helm/v4/cmd/helm", ("version", "--short"), 185),
    )
}
