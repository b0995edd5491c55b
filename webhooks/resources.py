"""How the kinds of an Api are called in a cluster. Pure."""

from controllers import kube
from schemagen import Api, Kind


def resource_of(api: Api, kind: Kind, version: str) -> kube.Resource:
    """A kind in one of its versions, as a path of the Kubernetes API names it."""
    is_namespaced = kind.scope == "Namespaced"
    return kube.Resource(api.group, version, kind.plural, kind.name, namespaced=is_namespaced)
