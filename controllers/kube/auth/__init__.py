"""Server and credentials of a cluster, from a kubeconfig or a pod."""
