"""Resources of an Api's kinds in a cluster. Pure."""

from controllers import kube
from schemagen import Api, Kind


def resource_of(api: Api, kind: Kind, version: str) -> kube.Resource:
    """Return the resource of a kind in a version."""
    is_namespaced = kind.scope == "Namespaced"
    return kube.Resource(api.group, version, kind.plural, kind.name, namespaced=is_namespaced)
