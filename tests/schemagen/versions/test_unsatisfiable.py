"""Unsatisfiable requirements on older versions are reported when an API is generated or served."""

from typing import Annotated, Literal

import pytest
from pydantic import Field

import crds
from schemagen import Api, Cel, Kind, Resource, Spec, Version
from schemagen.versions import records
from schemagen.versions.verification import unsatisfiable
from tests.support import foundry, workshop
from tests.support.forked_commands import ROOT, Commands


class OldSpec(Spec):
    size: Annotated[int, Field(ge=0, le=9)] | None = None


class OldThing(Resource):
    spec: OldSpec


class NewSpec(Spec):
    size: Annotated[int, Field(ge=0, le=9)] | None = None
    zone: str


class NewThing(Resource):
    spec: NewSpec


class StrictSpec(Spec, rules=[Cel("has(self.zone)", "expected a zone")]):
    size: Annotated[int, Field(ge=0, le=9)] | None = None
    zone: str | None = None


class StrictThing(Resource):
    spec: StrictSpec


KEEP = records.Conversion(
    records.record(
        *records.keep("kind", "metadata"),
        records.same_name("spec", records.record(*records.keep("size"))),
    )
)


def api(new: type[Resource], hub_rules: Literal["refuse", "warn", "off"] = "refuse") -> Api:
    old = Version("v1", OldThing, conversion=KEEP, hub_rules=hub_rules)
    return Api(
        "things.example.com", (Kind("Thing", "things", (old, Version("v2", new, storage=True))),)
    )


SERVED = api(NewThing)
LINE = (
    "Thing v1: expected objects that v2 can accept, got {} refused in all of them ({});"
    " give v1 a field for it, v2 a default, or write Version('v1', hub_rules=\"warn\")"
)


@pytest.mark.parametrize(
    ("new", "field", "message"),
    [(NewThing, "spec.zone", "Required value"), (StrictThing, "spec", "Invalid value")],
)
def test_unsatisfiable_field_is_reported(new: type[Resource], field: str, message: str) -> None:
    assert [LINE.format(field, message)] == unsatisfiable.lines(api(new))


def test_version_that_warns_has_nothing_to_fulfil() -> None:
    assert [] == unsatisfiable.lines(api(NewThing, "warn"))


@pytest.mark.parametrize(
    "whole", [crds.api, foundry.api, workshop.api()], ids=lambda one: one.group
)
def test_satisfiable_versions_are_not_reported(whole: Api) -> None:
    assert [] == unsatisfiable.lines(whole)


def test_generate_reports_unsatisfiable_fields(commands: Commands) -> None:
    done = commands.run(*("schemagen", "generate", f"{__name__}:SERVED", "--no-judge"), cwd=ROOT)

    assert 0 == done.code
    assert f"warning: {LINE.format('spec.zone', 'Required value')}" in done.err
