"""OpenTelemetry spans of reviews, exported over OTLP/HTTP. Shell: its exporter.

Optional (``kubewright[traces]``). A span is created after its response was sent, so that tracing
does not delay reviews; it continues the API server's trace (``traceparent``) if there is one.
"""

from collections.abc import Sequence
from typing import Any, Final

from webhooks.answers import RequestLog, ReviewInfo

SERVICE: Final = "kubewright-webhooks"


class MissingError(ValueError):
    """OpenTelemetry is not installed."""


class Traces:
    """Spans of a worker, configured by OpenTelemetry's environment variables.

    Raises:
        MissingError: OpenTelemetry is not installed.
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

    def add(self, answers: Sequence[RequestLog]) -> None:
        """Record a span for each response."""
        from opentelemetry.trace import SpanKind  # noqa: PLC0415 - imported in the constructor already
        from opentelemetry.trace.propagation import tracecontext  # noqa: PLC0415

        propagator = tracecontext.TraceContextTextMapPropagator()
        for request in answers:
            parent = propagator.extract({"traceparent": request.traceparent})
            span = self._tracer.start_span(
                f"POST {request.path}",
                context=parent,
                kind=SpanKind.SERVER,
                start_time=_nanoseconds(request.at - request.seconds),
                attributes=_attributes(request),
            )
            span.end(_nanoseconds(request.at))

    def close(self) -> None:
        """Export pending spans."""
        self._provider.shutdown()


def _attributes(request: RequestLog) -> dict[str, Any]:
    http = {
        "http.request.method": "POST",
        "http.response.status_code": request.status,
        "http.request.body.size": request.bytes_in,
        "http.response.body.size": request.bytes_out,
        "url.path": request.path,
    }
    return http if request.info is None else http | _review(request.info)


def _review(info: ReviewInfo) -> dict[str, Any]:
    attributes = {
        "uid": info.uid,
        "kind": info.kind,
        "operation": info.operation,
        "version": info.version,
        "verdict": info.verdict,
        "namespace": info.namespace,
        "name": info.name,
        "objects": info.objects,
    }
    return {
        f"kubewright.{key}": value for key, value in attributes.items() if value not in {None, ""}
    }


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)
