"""Records of work outside the cluster locate it, and contain no payload."""

import dataclasses
import string
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.runs.references import work_records
from controllers.runs.runtimes import custom
from controllers.runs.runtimes.base import Ref, Work

TEXT = st.text(string.printable, max_size=20)
EXTRA = st.dictionaries(TEXT, TEXT | st.booleans() | st.dictionaries(TEXT, TEXT))


def reference(**changes: Any) -> Ref:
    spec = {
        "runtime": {
            "type": "Custom",
            "custom": {"endpoint": "https://e.example/runs", "payload": {"large": "x" * 5000}},
        },
        "idempotencyKey": "deploy-1",
        "parameters": [{"name": "p", "value": "v" * 5000}],
    }
    work = Work(
        namespace="team",
        run="fix",
        uid="uid-1",
        attempt=3,
        spec=spec,
        provider={},
        run_json={},
        runner_json={},
    )
    return dataclasses.replace(custom.Custom().ref("uid-1/3", work), **changes)


@given(EXTRA, TEXT, TEXT)
def test_reference_is_found_again_whatever_it_holds(extra: Any, name: str, uid: str) -> None:
    ref = reference(extra=extra, name=name, uid=uid)
    kept = msgspec.json.decode(
        msgspec.json.encode(work_records.record_of(ref)), type=work_records.Record
    )

    work = dataclasses.replace(ref.work, spec={**ref.work.spec, **kept.spec})
    assert dataclasses.replace(ref, work=work) == kept.ref(ref.work)
    found = kept.ref()
    assert ("team/fix", "uid-1", 3) == (kept.where, kept.run_uid, kept.attempt)
    assert ("team", "fix", "uid-1", 3) == (
        *(found.work.namespace, found.work.run, found.work.uid, found.work.attempt),
    )


def test_record_holds_where_the_work_is_and_no_payload() -> None:
    kept = work_records.record_of(reference())

    assert {
        "runtime": {"type": "Custom", "custom": {"endpoint": "https://e.example/runs"}},
        "idempotencyKey": "deploy-1",
    } == kept.spec


def test_spec_of_the_record_goes_before_one_that_was_changed_since() -> None:
    kept = work_records.record_of(reference())
    changed = {"runtime": {"type": "Custom", "custom": {"endpoint": "https://other.example"}}}
    work = dataclasses.replace(reference().work, spec=changed)

    assert kept.spec["runtime"] == kept.ref(work).work.spec["runtime"]


@pytest.mark.parametrize(
    ("extra", "expected"),
    [({}, False), ({"pollSeconds": 8}, False), ({"cancelled": True}, True), ({"id": "y"}, True)],
)
def test_only_what_finds_the_work_is_news(*, extra: dict[str, Any], expected: bool) -> None:
    known = {"id": "x", "pollSeconds": 2}
    record = work_records.record_of(reference(extra=known))

    assert expected is work_records.is_news(record, reference(extra={**known, **extra}))
