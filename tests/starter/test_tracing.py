"""OpenTelemetry's variables: off unless they ask for traces, and then sent as they say."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider

from stockkeeper.client import tracing
from stockkeeper.contracts.errors import InvalidState, StockkeeperError, Unreachable
from tests.support.traces import Spans, a_provider_of_its_own, spans_in_memory


@pytest.mark.parametrize(
    ("variables", "exporters"),
    [
        ({}, []),
        ({"OTEL_SERVICE_NAME": "stock", "OTEL_TRACES_SAMPLER": "always_on"}, []),
        ({"OTEL_TRACES_EXPORTER": "none"}, []),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, []),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, ["otlp_proto_http"]),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"}, ["otlp_proto_http"]),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://collector:4318/v1/metrics"}, []),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, []),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, ["otlp_proto_http"]),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, ["otlp_proto_grpc"]),
        (
            {
                "OTEL_TRACES_EXPORTER": "otlp",
                "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
                "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
            },
            ["otlp_proto_http"],
        ),
        ({"OTEL_TRACES_EXPORTER": "console, otlp"}, ["console", "otlp_proto_http"]),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_SDK_DISABLED": "true"}, []),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_SDK_DISABLED": "false"}, ["otlp_proto_http"]),
    ],
    ids=str,
)
def test_traces_are_sent_if_the_variables_say_so(variables: Mapping[str, str], exporters: list[str]) -> None:
    assert tracing.exporters_asked_for(variables) == exporters


class Collector:
    """Takes spans, as a collector does, by OTLP over HTTP."""

    def __init__(self) -> None:
        self.received: list[ExportTraceServiceRequest] = []
        received = self.received

        class Taking(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                assert self.path == "/v1/traces"
                body = self.rfile.read(int(self.headers["Content-Length"]))
                received.append(ExportTraceServiceRequest.FromString(body))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Taking)
        self.thread = Thread(target=self.server.serve_forever)
        self.thread.start()


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """A collector that the environment names."""
    collector = Collector()
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{collector.server.server_port}")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
    yield collector
    collector.server.shutdown()
    collector.thread.join()
    collector.server.server_close()


@pytest.mark.parametrize(
    ("variables", "service"),
    [
        ({}, "stockkeeper-worker"),
        ({"OTEL_SERVICE_NAME": "stock"}, "stock"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.name=shelves,deployment.environment.name=test"}, "shelves"),
    ],
    ids=str,
)
def test_a_program_sends_its_spans_to_the_collector_before_it_ends(
    collector: Collector, monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str], service: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with a_provider_of_its_own():
        assert not tracing.is_set_up()
        tracing.set_up("stockkeeper-worker")
        assert tracing.is_set_up()
        assert len(tracing.plugins()) == 1
        tracing.require_safe_for_replays()
        with tracing.span("find_items", "question-1"):
            pass
        tracing.flush()
        [sent] = collector.received
        provider: Any = trace.get_tracer_provider()
        provider.shutdown()
    [resource] = sent.resource_spans
    [span] = resource.scope_spans[0].spans
    attributes = {each.key: each.value.string_value for each in resource.resource.attributes}
    assert (attributes["service.name"], span.name) == (service, "find_items")
    assert {each.key: each.value.string_value for each in span.attributes} == {"temporalWorkflowID": "question-1"}


@pytest.mark.parametrize(
    ("exporter", "why"),
    [
        ("zipkin", "no exporter zipkin is installed (OTEL_TRACES_EXPORTER, OTEL_EXPORTER_OTLP_PROTOCOL)"),
        ("otlp", "no exporter carrier-pigeon is installed (OTEL_TRACES_EXPORTER, OTEL_EXPORTER_OTLP_PROTOCOL)"),
    ],
)
def test_a_program_that_cannot_send_traces_says_so_and_works_without(
    caplog: pytest.LogCaptureFixture, exporter: str, why: str
) -> None:
    variables = {"OTEL_TRACES_EXPORTER": exporter, "OTEL_EXPORTER_OTLP_PROTOCOL": "carrier-pigeon"}
    with a_provider_of_its_own():
        tracing.set_up("stockkeeper-worker", variables)
        assert (tracing.is_set_up(), tracing.plugins()) == (False, [])
        with tracing.span("find_items"):
            pass
        tracing.flush()
    assert [record.getMessage() for record in caplog.records] == [f"no traces are sent: {why}"]


def test_a_worker_refuses_a_setup_that_would_make_spans_again_in_replays() -> None:
    with a_provider_of_its_own():
        trace.set_tracer_provider(TracerProvider())
        # What has set it up first stays.
        tracing.set_up("stockkeeper-worker", {"OTEL_TRACES_EXPORTER": "console"})
        assert len(tracing.plugins()) == 1
        with pytest.raises(StockkeeperError) as refused:
            tracing.require_safe_for_replays()
    assert str(refused.value) == (
        "OpenTelemetry was set up before the worker, in a way that makes spans again when runs are replayed: "
        "start it without `opentelemetry-instrument`; it reads OTEL_TRACES_EXPORTER and the other variables itself"
    )


@pytest.mark.parametrize(
    ("error", "status"),
    [(InvalidState("Ana", status="ACTIVE", command="x"), "UNSET"), (Unreachable("Ana"), "ERROR"), (None, "UNSET")],
    ids=str,
)
def test_a_call_is_a_span_whose_errors_are_named_without_their_words(error: Exception | None, status: str) -> None:
    with spans_in_memory() as spans:
        call = _call(error)
        if error is None:
            call()
        else:
            with pytest.raises(type(error)):
                call()
        [span] = Spans.named(spans, "Stockkeeper.reserve")
    assert span.status.status_code.name == status
    assert (span.attributes or {}).get("error.type") == (None if error is None else type(error).__name__)
    assert "Ana" not in span.to_json()


def _call(error: Exception | None) -> Any:
    def call() -> None:
        with tracing.span("Stockkeeper.reserve"):
            if error is not None:
                raise error

    return call


def test_nothing_of_opentelemetry_is_imported_unless_it_is_asked_for() -> None:
    program = "import sys, starter.cli.app, worker; print([name for name in sys.modules if 'opentelemetry' in name])"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    done = subprocess.run([sys.executable, "-c", program], env=kept, check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"
