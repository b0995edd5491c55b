"""What an audit log does while its sink works, fails, or is too slow."""

import asyncio
from collections.abc import Sequence

import orjson

from controllers.audit.log import REFUSALS, AuditLog, Loss
from controllers.audit.metrics import Metrics
from controllers.audit.records import Decision, Entry, What
from controllers.audit.sinks.base import Opened, SinkError
from controllers.audit.verification import Line, Verifier
from controllers.kube import testing

ENTRY = Entry(what=What.RUN, decision=Decision.STARTED, who="agents-controller")
REFUSED = Entry(what=What.DELIVERY, decision=Decision.REFUSED, who="unverified")


class Memory:
    """A sink that can be stopped."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.works = asyncio.Event()
        self.works.set()
        self.failing = 0

    async def open(self) -> Opened:
        return Opened()

    async def write(self, lines: Sequence[bytes]) -> None:
        await self.works.wait()
        if self.failing:
            self.failing -= 1
            raise SinkError("expected a disk, got none")
        self.lines += lines

    async def close(self) -> None:
        pass

    @property
    def words(self) -> list[tuple[str, int]]:
        records = [orjson.loads(line) for line in self.lines]
        return [(record["decision"], record.get("count", 0)) for record in records]

    @property
    def findings(self) -> list[object]:
        return [*Verifier().findings(Line("", 1, line) for line in self.lines)]


async def no_pause(_: float) -> None:
    await asyncio.sleep(0)


async def test_records_are_chained_and_written() -> None:
    sink = Memory()

    async with AuditLog(sink, "a") as log:
        log.record(ENTRY)

    assert [("opened", 0), ("started", 0), ("closed", 0)] == sink.words
    assert [] == sink.findings
    assert (3, 0) == (log.written, len(log))


async def test_what_the_queue_does_not_hold_is_counted_and_said_in_the_chain() -> None:
    sink = Memory()
    sink.works.clear()

    async with AuditLog(sink, "a", max_waiting=3) as log:
        for _ in range(7):
            log.record(ENTRY)
        assert {Loss.QUEUE_FULL: 5} == log.dropped
        sink.works.set()
        await testing.settle(lambda: not len(log))
        log.record(ENTRY)

    words = ["opened", "started", "started", "dropped", "started", "closed"]
    assert [(word, 5 if word == "dropped" else 0) for word in words] == sink.words
    assert [] == sink.findings


async def test_a_failed_write_is_repeated_until_it_succeeds() -> None:
    sink = Memory()
    sink.failing = 3

    async with AuditLog(sink, "a", sleep=no_pause) as log:
        log.record(ENTRY)
        await testing.settle(lambda: not len(log))

    assert (3, [("opened", 0), ("started", 0), ("closed", 0)]) == (log.failures, sink.words)
    assert [] == sink.findings


async def test_refusals_that_anyone_can_cause_do_not_displace_other_records() -> None:
    sink = Memory()

    async with AuditLog(sink, "a", clock=lambda: 0.0) as log:
        for _ in range(REFUSALS.burst + 5):
            log.record(REFUSED)
        log.record(ENTRY)

    assert [("refused", 0), ("dropped", 5), ("started", 0), ("closed", 0)] == sink.words[-4:]
    assert {Loss.RATE_LIMITED: 5} == log.dropped


async def test_a_record_after_the_end_is_counted() -> None:
    async with AuditLog(Memory(), "a") as log:
        pass

    log.record(ENTRY)

    assert {Loss.CLOSED: 1} == log.dropped
    shown = {
        (sample.name, *sample.labels.values()): sample.value
        for metric in Metrics(log).collect()
        for sample in metric.samples
    }
    assert 1 == shown["agents_audit_dropped_records_total", "closed"]
    assert 2 == shown["agents_audit_records_total",]
