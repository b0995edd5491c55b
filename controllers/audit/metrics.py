"""Metrics of an audit log, read when they are collected. No I/O."""

from collections.abc import Iterator

from prometheus_client import core

from controllers.audit.log import AuditLog, Loss


class Metrics:
    """A prometheus_client collector.

    Args:
        log: The audit log of the process.
    """

    def __init__(self, log: AuditLog) -> None:
        self._log = log

    def collect(self) -> Iterator[core.Metric]:
        """Yield the metrics."""
        yield core.CounterMetricFamily(
            "agents_audit_records",
            "Total number of audit records that were written.",
            value=self._log.written,
        )
        yield core.CounterMetricFamily(
            "agents_audit_write_failures",
            "Total number of failed attempts to write audit records.",
            value=self._log.failures,
        )
        yield core.GaugeMetricFamily(
            "agents_audit_waiting_records",
            "Number of audit records that are not written yet.",
            value=len(self._log),
        )
        dropped = core.CounterMetricFamily(
            "agents_audit_dropped_records",
            "Total number of decisions without an audit record, by reason.",
            labels=["reason"],
        )
        for loss in Loss:
            dropped.add_metric([loss.value], self._log.dropped[loss])
        yield dropped
