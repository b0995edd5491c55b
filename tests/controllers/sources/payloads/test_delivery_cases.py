"""Cases as files: a payload, its changes, a source, and what comes of it. Adding one needs no code.

Without ``expected`` a case fails and shows what it got.
"""

import datetime as dt
import pathlib

import orjson
import pytest

from controllers import kube
from controllers.sources import mapping, replay
from controllers.sources.api_constants import Refusal, Skip
from controllers.sources.issues import Observation
from controllers.sources.payloads import deliveries, signatures, texts
from controllers.sources.source_view import Source
from crds.v1beta1.implementationspec import ImplementationSpec
from schemagen import yaml

DATA = pathlib.Path(__file__).parents[3] / "data"
CASES = sorted((DATA / "sources").glob("*.yaml"))
SECRET = b"It's a Secret to Everybody"
NOW = dt.datetime.fromtimestamp(1612005600, dt.UTC)


def source_of(spec: kube.JSON) -> Source:
    metadata = {"name": "issues", "namespace": "team", "uid": "1"}
    return kube.view_of(Source, {"metadata": metadata, "spec": spec})


def merged(value: kube.JSON, changes: kube.JSON) -> kube.JSON:
    """The value with a JSON merge patch, whose nulls stay."""
    both = dict(value)
    for name, change in changes.items():
        is_map = isinstance(change, dict) and isinstance(both.get(name), dict)
        both[name] = merged(both[name], change) if is_map else change
    return both


def outcome(case: kube.JSON) -> kube.JSON:
    """What comes of a signed delivery without an ImplementationSpec."""
    payload = merged(
        orjson.loads((DATA / "payloads" / case["payload"]).read_bytes()), case.get("changes", {})
    )
    body = orjson.dumps(payload)
    source = source_of(case["source"])
    signed = signatures.signature(SECRET, body)
    headers = {
        "x-hub-signature-256": f"sha256={signed}",
        "linear-signature": signed,
        "linear-timestamp": "1612005600000",
    }
    if "event" in case:
        headers["x-github-event"] = case["event"]
    try:
        refusal = signatures.refusal(source.provider, headers, body, [SECRET])
        read = refusal or deliveries.verified(source.provider, headers, body, now=NOW)
    except texts.UnreadableError as error:
        return {"unreadable": str(error)}
    match read:
        case Refusal():
            return {"refused": read.value}
        case Skip():
            return {"skipped": read.value}
        case Observation():
            return applied(source, read)


def applied(source: Source, observation: Observation) -> kube.JSON:
    skipped = replay.skip(source, observation, None)
    if skipped is not None:
        return {"skipped": skipped.value}
    if replay.ending(source, observation) is not None:
        value = mapping.orphan(source, observation.issue, observation.version)
    else:
        value = mapping.spec(source, observation.issue, observation.version)
    return {"applied": value}


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_delivery_is_read_as_its_case_says(path: pathlib.Path) -> None:
    case = yaml.load(path.read_bytes())

    got = outcome(case)

    assert case.get("expected") == got


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_what_is_applied_is_a_valid_object(path: pathlib.Path) -> None:
    value = outcome(yaml.load(path.read_bytes())).get("applied", {})

    if "spec" in value:
        ImplementationSpec.model_validate(value)
