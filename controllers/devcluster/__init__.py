"""A real API server on this machine: kube-apiserver and etcd, found or built; Python's envtest.

with devcluster.Cluster() as cluster:
    cluster.kubectl("get", "namespaces")
"""

from controllers.devcluster.cluster import Cluster
from controllers.devcluster.errors import (
    BuildError,
    DevclusterError,
    KubectlError,
    StartError,
    ToolNotFoundError,
)

__all__ = [
    "BuildError",
    "Cluster",
    "DevclusterError",
    "KubectlError",
    "StartError",
    "ToolNotFoundError",
]
