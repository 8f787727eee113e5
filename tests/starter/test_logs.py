"""The log's two forms, and what a line in JSON says of where it comes from."""

import dataclasses
import json
import logging
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from opentelemetry.trace import get_tracer
from temporalio.testing import ActivityEnvironment

from activities.step_log import log_if_recovered, log_refused
from starter.logs import JsonLines
from stockkeeper.contracts.outage import FAILED_BEFORE
from tests.support.traces import SERVICE, spans_in_memory

STEP = {"operation_id": "reservation-1042/reserve", "performed_by": "Ana", "reference_id": "1042"}


def _record(message: str, *args: object, **more: Any) -> logging.LogRecord:
    record = logging.LogRecord("stockkeeper", logging.INFO, "file.py", 1, message, args, None)
    record.created = datetime(2026, 11, 29, 12, 30, tzinfo=UTC).timestamp()
    vars(record).update(more)
    return record


def _line(record: logging.LogRecord) -> Any:
    line = JsonLines().format(record)
    assert "\n" not in line
    return json.loads(line)


def _in_activity(attempt: int, call: Callable[[], Any]) -> Any:
    environment = ActivityEnvironment()
    environment.info = dataclasses.replace(
        environment.info,
        activity_type="reserve_stock",
        workflow_id="reservation-1042",
        workflow_run_id="the-run",
        attempt=attempt,
        scheduled_time=datetime.now(UTC) - timedelta(hours=1),
    )
    return environment.run(call)


def test_a_line_is_an_object_with_time_level_logger_and_message() -> None:
    assert _line(_record("working on task queue %s", "Läger\n1")) == {
        "time": "2026-11-29T12:30:00.000+00:00",
        "level": "INFO",
        "logger": "stockkeeper",
        "message": "working on task queue Läger\n1",
    }


def test_a_fault_has_its_stack_in_the_same_line() -> None:
    try:
        json.loads("{}")["missing"]
    except KeyError:
        record = _record("a fault")
        record.exc_info = sys.exc_info()
    line = _line(record)
    assert line["message"] == "a fault"
    assert line["exception"].startswith("Traceback (most recent call last):\n")
    assert line["exception"].endswith("KeyError: 'missing'")


def test_what_is_logged_within_an_activity_has_its_workflow_step_and_attempt() -> None:
    line = _in_activity(3, lambda: _line(_record("a notice")))
    assert {name: line[name] for name in ("workflow_id", "run_id", "step", "attempt")} == {
        "workflow_id": "reservation-1042",
        "run_id": "the-run",
        "step": "reserve_stock",
        "attempt": 3,
    }


def test_what_the_sdk_knows_of_a_workflow_are_fields() -> None:
    details = {"workflow_id": "transfer-7", "run_id": "a-run", "workflow_type": "TransferWorkflow", "attempt": 1}
    line = _line(_record("Failed activation", temporal_workflow=details))
    assert {name: value for name, value in line.items() if name not in ("time", "level", "logger", "message")} == {
        "workflow_id": "transfer-7",
        "run_id": "a-run",
        "workflow_type": "TransferWorkflow",
    }


def test_a_line_has_its_trace_where_traces_are_made() -> None:
    with spans_in_memory() as spans:
        with get_tracer(SERVICE).start_as_current_span("checkout"):
            line = _line(_record("within"))
        [span] = spans.named("checkout")
        assert span.context is not None
        assert (int(line["trace_id"], 16), int(line["span_id"], 16)) == (span.context.trace_id, span.context.span_id)
        assert (len(line["trace_id"]), len(line["span_id"])) == (32, 16)
        assert "trace_id" not in _line(_record("outside"))


def test_a_refused_step_is_one_line_with_its_operation_and_without_words_or_names(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "stockkeeper.steps")
    _in_activity(1, lambda: log_refused([STEP], "NotPermitted"))
    [record] = caplog.records
    text = "refused: reserve_stock of reservation-1042, NotPermitted (reservation-1042/reserve)"
    assert record.getMessage() == text
    line = _line(record)
    del line["time"]
    assert line == {
        "level": "INFO",
        "logger": "stockkeeper.steps",
        "message": text,
        "outcome": "refused",
        "error": "NotPermitted",
        "step": "reserve_stock",
        "workflow_id": "reservation-1042",
        "run_id": "the-run",
        "operation_id": "reservation-1042/reserve",
    }


@pytest.mark.parametrize(
    ("attempt", "headers", "done_at"),
    [(1, [], None), (3, [], 3), (1, [FAILED_BEFORE], 4), (5, ["_tracer-data", FAILED_BEFORE], 8), (1, ["x"], None)],
)
def test_a_step_that_is_done_after_failed_attempts_is_one_line(
    caplog: pytest.LogCaptureFixture, attempt: int, headers: list[str], done_at: int | None
) -> None:
    caplog.set_level(logging.INFO, "stockkeeper.steps")
    _in_activity(attempt, lambda: log_if_recovered([STEP], headers))
    said = [(record.getMessage(), vars(record)["stockkeeper"]) for record in caplog.records]
    if done_at is None:
        assert said == []
        return
    [(text, fields)] = said
    seconds = fields["seconds"]
    assert seconds >= 3_600
    assert text == (
        f"recovered: reserve_stock of reservation-1042, done at attempt {done_at} after {seconds} s "
        "(reservation-1042/reserve)"
    )
    assert (fields["outcome"], fields["attempt"], fields["operation_id"]) == (
        *("recovered", done_at, "reservation-1042/reserve"),
    )


def test_a_question_that_is_refused_is_no_step(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "stockkeeper.steps")
    payloads: list[list[Any]] = [[], [None], [{"sku": "TEA-100"}], [{"operation_id": 7}], ["text"]]
    for payload in payloads:
        _in_activity(1, partial(log_refused, payload, "UnknownProduct"))
    assert caplog.records == []
