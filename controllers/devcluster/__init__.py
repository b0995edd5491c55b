"""A local API server: kube-apiserver and etcd, found or built; like envtest, for Python.

with devcluster.Cluster() as cluster:
    cluster.kubectl("get", "namespaces")
"""

import importlib
import typing

from controllers.devcluster.errors import (
    BuildError,
    DevclusterError,
    KubectlError,
    StartError,
    ToolNotFoundError,
)

if typing.TYPE_CHECKING:
    from controllers.devcluster.cluster import Cluster

__all__ = [
    "BuildError",
    "Cluster",
    "DevclusterError",
    "KubectlError",
    "StartError",
    "ToolNotFoundError",
]


# The pytest plugin loads this package in every pytest run where kubewright is installed; rich and
# cryptography are imported with the first cluster.
def __getattr__(name: str) -> object:
    if name == "Cluster":
        return importlib.import_module("controllers.devcluster.cluster").Cluster
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
