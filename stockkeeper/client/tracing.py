"""Traces by OpenTelemetry, where the process has it set up: a span for each call, and its context sent along.

A service sets OpenTelemetry up for itself, before it connects; this library finds it there. Programs of ours set it up
by the standard variables (`set_up`). What workflows, steps and statements make of a call then belongs to its trace. In
any other process nothing of OpenTelemetry is imported.
"""

import functools
import inspect
import logging
import os
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

from temporalio.client import Plugin

from stockkeeper.contracts.errors import DomainError, StockkeeperError
from stockkeeper.contracts.tracing import ERROR_TYPE, SCOPE, WORKFLOW_ID

A = TypeVar("A")

FLUSHED_WITHIN = timedelta(seconds=3)
"""How long the end of a program waits for a collector to take the last spans."""

_API = "opentelemetry.trace"
_EXPORTERS = "opentelemetry_traces_exporter"
"""The group of entry points in which exporters are found by name."""
_OTLP = {"http/protobuf": "otlp_proto_http", "grpc": "otlp_proto_grpc"}
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_UNNAMED = "unknown_service"

_log = logging.getLogger("stockkeeper.tracing")


def exporters_asked_for(environ: Mapping[str, str]) -> list[str]:
    """The exporters that OpenTelemetry's variables ask for, by the names of their entry points; none: no traces.

    ``OTEL_TRACES_EXPORTER`` names them. Without it, an address of a collector asks for ``otlp``.
    """
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return []
    unless_named = "otlp" if _first(environ, _ENDPOINTS) else "none"
    named = environ.get("OTEL_TRACES_EXPORTER", "").strip() or unless_named
    protocol = _first(environ, _PROTOCOLS) or "http/protobuf"
    names = [each.strip() for each in named.split(",")]
    return [_OTLP.get(protocol, protocol) if name == "otlp" else name for name in names if name not in ("", "none")]


def _first(environ: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((value for name in names if (value := environ.get(name, "").strip())), "")


def set_up(service: str, environ: Mapping[str, str] = os.environ) -> None:
    """Set OpenTelemetry up for this process, if its variables ask for traces. Called by programs, not by services.

    A program that can't send traces says so in its log, and works without them.

    Args:
        service: The program's name in traces, unless ``OTEL_SERVICE_NAME`` or ``OTEL_RESOURCE_ATTRIBUTES`` has one.
        environ: The variables; what else they say is read by OpenTelemetry itself, from the process's own.
    """
    names = exporters_asked_for(environ)
    if not names or is_set_up():
        return
    try:
        from opentelemetry import trace  # noqa: PLC0415 - imported where it is used
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
        from temporalio.contrib.opentelemetry import create_tracer_provider  # noqa: PLC0415
    except ImportError as error:
        _log.warning("no traces are sent: they need `pip install 'stockkeeper[tracing]'` (%s is missing)", error.name)
        return
    try:
        exporters = [_exporter(name) for name in names]
    except (LookupError, ImportError, ValueError) as error:
        _log.warning("no traces are sent: %s", error)
        return
    resource = Resource.create()
    if str(resource.attributes[SERVICE_NAME]).startswith(_UNNAMED):
        resource = resource.merge(Resource({SERVICE_NAME: service}))
    provider = create_tracer_provider(resource=resource)
    for exporter in exporters:
        provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)


def _exporter(name: str) -> Any:
    from importlib.metadata import entry_points  # noqa: PLC0415 - for programs that send traces

    found = entry_points(group=_EXPORTERS, name=name)
    if not found:
        raise LookupError(f"no exporter {name} is installed (OTEL_TRACES_EXPORTER, OTEL_EXPORTER_OTLP_PROTOCOL)")
    return next(iter(found)).load()()


def is_set_up() -> bool:
    """Whether OpenTelemetry is set up in this process, by `set_up` or by the service itself."""
    if _API not in sys.modules:
        return False
    from opentelemetry.trace import ProxyTracerProvider, get_tracer_provider  # noqa: PLC0415

    return not isinstance(get_tracer_provider(), ProxyTracerProvider)


def require_safe_for_replays() -> None:
    """Check that spans made within workflows aren't made again when their runs are replayed.

    Raises:
        StockkeeperError: OpenTelemetry was set up by something else than `set_up`.
    """
    from opentelemetry.trace import get_tracer_provider  # noqa: PLC0415
    from temporalio.contrib.opentelemetry import ReplaySafeTracerProvider  # noqa: PLC0415

    if not isinstance(get_tracer_provider(), ReplaySafeTracerProvider):
        raise StockkeeperError(
            "OpenTelemetry was set up before the worker, in a way that makes spans again when runs are replayed: "
            "start it without `opentelemetry-instrument`; it reads OTEL_TRACES_EXPORTER and the other variables itself"
        )


def plugins() -> list[Plugin]:
    """The plugins of a client: one that sends the context of a call along, if OpenTelemetry is set up."""
    if not is_set_up():
        return []
    try:
        from temporalio.contrib.opentelemetry import OpenTelemetryPlugin  # noqa: PLC0415
    except ImportError:
        # An API without OpenTelemetry's own SDK behind it.
        return []
    return [OpenTelemetryPlugin()]


def flush() -> None:
    """Send the spans that are left, at the end of a program; a collector that doesn't answer is waited for briefly."""
    if not is_set_up():
        return
    from opentelemetry.trace import get_tracer_provider  # noqa: PLC0415

    last = threading.Thread(target=getattr(get_tracer_provider(), "force_flush", int), daemon=True)
    last.start()
    last.join(FLUSHED_WITHIN.total_seconds())


@contextmanager
def span(name: str, workflow_id: str | None = None) -> Iterator[None]:
    """A call of this library, as a span in the trace of whoever makes it. A refusal isn't an error of the call.

    Args:
        name: The call's name; no number, name or other value of it.
        workflow_id: The workflow that it goes to.
    """
    if _API not in sys.modules:
        yield
        return
    from opentelemetry.trace import SpanKind, StatusCode, get_tracer  # noqa: PLC0415

    with get_tracer(SCOPE).start_as_current_span(
        name,
        kind=SpanKind.CLIENT,
        attributes={} if workflow_id is None else {WORKFLOW_ID: workflow_id},
        # A message may have anybody's name in it.
        record_exception=False,
        set_status_on_exception=False,
    ) as begun:
        try:
            yield
        except Exception as error:
            begun.set_attribute(ERROR_TYPE, type(error).__name__)
            if not isinstance(error, DomainError):
                begun.set_status(StatusCode.ERROR, type(error).__name__)
            raise


def goes_to(workflow_id: str) -> None:
    """Name the workflow that the call under way goes to."""
    if _API not in sys.modules:
        return
    from opentelemetry.trace import get_current_span  # noqa: PLC0415

    get_current_span().set_attribute(WORKFLOW_ID, workflow_id)


def trace_calls(owner: type, called: str) -> None:
    """Have each public coroutine method that a class defines itself traced.

    Args:
        owner: The class.
        called: Its name in spans.
    """
    for name, method in list(vars(owner).items()):
        if inspect.iscoroutinefunction(method) and not name.startswith("_"):
            setattr(owner, name, _traced(method, f"{called}.{name}"))


def _traced(method: Callable[..., Awaitable[A]], name: str) -> Callable[..., Awaitable[A]]:
    @functools.wraps(method)
    async def call(*args: Any, **kwargs: Any) -> A:
        if _API not in sys.modules:
            return await method(*args, **kwargs)
        with span(name):
            return await method(*args, **kwargs)

    return call
