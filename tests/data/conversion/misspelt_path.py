"""An API with a conversion that writes a field that the newer version does not have."""

from pydantic import Field

from schemagen import Api, Kind, Resource, Spec, Version
from schemagen.versions.records import Conversion, keep, move, record, same_name


class OldSpec(Spec):
    """What the older version says."""

    instances: int = Field(default=1, description="How many.")


class NewSpec(Spec):
    """What the newer version says."""

    replicas: int = Field(default=1, description="How many.")


class OldWidget(Resource):
    """A widget."""

    spec: OldSpec = Field(description="What is wanted.")


class NewWidget(Resource):
    """A widget."""

    spec: NewSpec = Field(description="What is wanted.")


STEP = record(keep("kind", "metadata"), same_name("spec", record(move("instances", "replica"))))
api = Api(
    "example.com",
    (
        Kind(
            "Widget",
            "widgets",
            (
                Version("v1alpha1", OldWidget, conversion=Conversion(STEP)),
                Version("v1", NewWidget, storage=True),
            ),
        ),
    ),
)
