"""The one list of tools: where each is built from, and how it says its version."""

import dataclasses
import pathlib
from collections.abc import Callable

from schemagen.judge import module, recipe


@dataclasses.dataclass(frozen=True)
class Tool:
    """A binary.

    Attributes:
        name: Of the file.
        package: The Go package it is built from.
        version_arguments: What makes it print its version.
        build_seconds: About how long a cold build takes on two cores.
        is_kubernetes: Whether it carries Kubernetes' own version.
        folder: Of its own go.mod; None is the control plane's, beside this module.
        target: Go's environment, where the tool is not for this machine.
        flags: What ``go build`` is told; if nothing, to strip and to stamp the version.
        lay_out: Fills a folder to build in from ``folder``, with the help of a function that runs
            Go there; None builds in ``folder`` itself.
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

# What a cluster needs to start, in the order in which a build is most welcome.
NEEDED = (ETCD, KUBE_APISERVER, KUBECTL)

KUBE_CONTROLLER_MANAGER = _kubernetes("kube-controller-manager", 300)
KWOK = Tool("kwok", "sigs.k8s.io/kwok/cmd/kwok", ("--version",), 70)

# What a cluster that runs Jobs needs besides.
FOR_JOBS = (KUBE_CONTROLLER_MANAGER, KWOK)

# The API server's validation for schemagen: not a program, but a module that Python loads.
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

ALL = {
    tool.name: tool
    for tool in (
        *NEEDED,
        *FOR_JOBS,
        _kubernetes("kube-scheduler", 30),
        Tool("helm", "helm.sh/helm/v4/cmd/helm", ("version", "--short"), 185),
    )
}
