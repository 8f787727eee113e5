"""The spans that this process makes, kept in memory."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.util._once import Once
from temporalio.contrib.opentelemetry import create_tracer_provider

from database import tracing

SERVICE = "service"
"""Scope of the spans of a service that calls."""


@contextmanager
def a_provider_of_its_own() -> Iterator[None]:
    """OpenTelemetry may be set up here, once as in any process, and isn't any more afterwards."""
    assert isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
    try:
        yield
    finally:
        tracing.make(None)
        setattr(trace, "_TRACER_PROVIDER", None)  # noqa: B010
        setattr(trace, "_TRACER_PROVIDER_SET_ONCE", Once())  # noqa: B010


@contextmanager
def spans_in_memory() -> Iterator["Spans"]:
    """OpenTelemetry is set up, as for a worker."""
    with a_provider_of_its_own():
        exporter = InMemorySpanExporter()
        provider = create_tracer_provider()
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        trace.set_tracer_provider(provider)
        yield Spans(exporter)
        provider.shutdown()


class Spans:
    """What was exported."""

    def __init__(self, exporter: InMemorySpanExporter) -> None:
        self._exporter = exporter

    @property
    def all(self) -> Sequence[ReadableSpan]:
        """In the order in which they ended."""
        return self._exporter.get_finished_spans()

    def named(self, name: str, root: str | None = None) -> list[ReadableSpan]:
        """Those of this name; in the trace of a call of the service, if told so."""
        trace_id = None if root is None else _context(self.named(root)[0]).trace_id
        return [each for each in self.all if each.name == name and trace_id in (None, _context(each).trace_id)]

    def tree(self, root: str) -> str:
        """The trace of one call of the service: a line for each span, below its parent, with what went wrong."""
        [top] = self.named(root)
        return "\n".join(self._branch(top, 0))

    def _branch(self, span: ReadableSpan, depth: int) -> Iterator[str]:
        error = (span.attributes or {}).get("error.type")
        yield "  " * depth + span.name + (f" ({error})" if error else "")
        children = [each for each in self.all if each.parent and each.parent.span_id == _context(span).span_id]
        for child in sorted(children, key=lambda each: (each.name, each.start_time or 0)):
            yield from self._branch(child, depth + 1)

    def assert_each_is_one_of_its_trace(self) -> None:
        """No span was made twice, and none has a parent that isn't there, or that is in another trace."""
        contexts = {_context(each).span_id: _context(each) for each in self.all}
        assert len(contexts) == len(self.all)
        parents = [(each.name, _context(each), each.parent) for each in self.all if each.parent]
        assert [(name, parent) for name, _, parent in parents if parent.span_id not in contexts] == []
        assert [name for name, context, parent in parents if context.trace_id != parent.trace_id] == []


def _context(span: ReadableSpan) -> trace.SpanContext:
    context: Any = span.get_span_context()
    assert isinstance(context, trace.SpanContext)
    return context
