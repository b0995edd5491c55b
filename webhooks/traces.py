"""Spans of reviews for OpenTelemetry, sent by OTLP over HTTP. Shell: its exporter.

Optional (``kubewright[traces]``). A span is made after its review was answered, so that tracing
costs no review; it continues the API server's trace (``traceparent``) where the request names one.
"""

from collections.abc import Sequence
from typing import Any, Final

from webhooks.routes import About, Seen

SERVICE: Final = "kubewright-webhooks"


class MissingError(ValueError):
    """OpenTelemetry is not installed."""


class Traces:
    """Spans of one worker; where they go, say OpenTelemetry's own variables of the environment.

    Raises:
        MissingError: saying how to install it.
    """

    def __init__(self) -> None:
        try:
            from opentelemetry.exporter.otlp.proto.http import trace_exporter  # noqa: PLC0415
            from opentelemetry.sdk import resources, trace  # noqa: PLC0415
            from opentelemetry.sdk.trace import export  # noqa: PLC0415
        except ImportError as error:
            raise MissingError(
                f"expected OpenTelemetry for --traces, got none ({error}): "
                "pip install 'kubewright[traces]'"
            ) from error
        resource = resources.Resource.create({"service.name": SERVICE})
        self._provider = trace.TracerProvider(resource=resource)
        exporter = trace_exporter.OTLPSpanExporter()
        self._provider.add_span_processor(export.BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer(SERVICE)

    def add(self, answers: Sequence[Seen]) -> None:
        """A span for each answer."""
        from opentelemetry.trace import SpanKind  # noqa: PLC0415 - installed, or we were not here
        from opentelemetry.trace.propagation import tracecontext  # noqa: PLC0415

        propagator = tracecontext.TraceContextTextMapPropagator()
        for seen in answers:
            parent = propagator.extract({"traceparent": seen.traceparent})
            span = self._tracer.start_span(
                f"POST {seen.path}",
                context=parent,
                kind=SpanKind.SERVER,
                start_time=_nanoseconds(seen.at - seen.seconds),
                attributes=_attributes(seen),
            )
            span.end(_nanoseconds(seen.at))

    def close(self) -> None:
        """Send what waits."""
        self._provider.shutdown()


def _attributes(seen: Seen) -> dict[str, Any]:
    http = {
        "http.request.method": "POST",
        "http.response.status_code": seen.status,
        "http.request.body.size": seen.bytes_in,
        "http.response.body.size": seen.bytes_out,
        "url.path": seen.path,
    }
    return http if seen.about is None else http | _review(seen.about)


def _review(about: About) -> dict[str, Any]:
    found = {
        "uid": about.uid,
        "kind": about.kind,
        "operation": about.operation,
        "version": about.version,
        "verdict": about.verdict,
        "namespace": about.namespace,
        "name": about.name,
        "objects": about.objects,
    }
    return {f"kubewright.{key}": value for key, value in found.items() if value not in {None, ""}}


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)
