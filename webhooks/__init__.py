"""Admission and conversion webhooks for any ``schemagen.Api``: a pure core and a TLS server.

``webhooks serve MODULE:API`` serves them; this answers one review without a server:

>>> import json, webhooks
>>> from schemagen import Api, Kind, Resource, Rules, Spec, Version
>>> class WidgetSpec(Spec):
...     "Desired state of a widget."
...     color: str | None = None
>>> class Widget(Resource):
...     "An example kind."
...     spec: WidgetSpec
>>> versions = (Version("v1", Widget, storage=True),)
>>> red = Rules(lambda widget, facts: widget | {"spec": {"color": "Red", **widget["spec"]}})
>>> api = Api("example.com", (Kind("Widget", "widgets", versions, rules=red),))
>>> review = {
...     "apiVersion": "admission.k8s.io/v1",
...     "kind": "AdmissionReview",
...     "request": {
...         "uid": "1",
...         "kind": {"group": "example.com", "version": "v1", "kind": "Widget"},
...         "resource": {"group": "example.com", "version": "v1", "resource": "widgets"},
...         "operation": "CREATE",
...         "object": {"apiVersion": "example.com/v1", "kind": "Widget", "spec": {}},
...     },
... }
>>> route = webhooks.routes(api)["/mutate"]
>>> answered = webhooks.answer(route, json.dumps(review).encode())
>>> json.loads(answered.body)["response"]["allowed"]
True
"""

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from webhooks.answers import Answer
    from webhooks.cluster.configuration import at_service, at_url, configurations, crds, manifests
    from webhooks.cluster.findings import Finding
    from webhooks.cluster.install import install
    from webhooks.cluster.lint import findings
    from webhooks.cluster.uninstall import uninstall
    from webhooks.development.embedded import Served, serving
    from webhooks.review.reviews import AdmissionRequest, ConversionRequest, MalformedReviewError
    from webhooks.routing import Route, answer, routes

__all__ = [
    "AdmissionRequest",
    "Answer",
    "ConversionRequest",
    "Finding",
    "MalformedReviewError",
    "Route",
    "Served",
    "answer",
    "at_service",
    "at_url",
    "configurations",
    "crds",
    "findings",
    "install",
    "manifests",
    "routes",
    "serving",
    "uninstall",
]

_MODULES: Final = {
    "webhooks.answers": ("Answer",),
    "webhooks.cluster.configuration": (
        "at_service",
        "at_url",
        "configurations",
        "crds",
        "manifests",
    ),
    "webhooks.cluster.install": ("install",),
    "webhooks.cluster.findings": ("Finding",),
    "webhooks.cluster.lint": ("findings",),
    "webhooks.cluster.uninstall": ("uninstall",),
    "webhooks.development.embedded": ("Served", "serving"),
    "webhooks.review.reviews": ("AdmissionRequest", "ConversionRequest", "MalformedReviewError"),
    "webhooks.routing": ("Route", "answer", "routes"),
}


def __getattr__(name: str) -> Any:
    """Import modules on first access: a command only loads what it needs."""
    for module, names in _MODULES.items():
        if name in names:
            return getattr(importlib.import_module(module), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
