"""How our programs log: a line of text for people, or a JSON object in a line for whatever collects logs."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

from temporalio import activity, workflow

from stockkeeper.contracts.settings import LogFormat

LOG_FORMAT = "STOCKKEEPER_LOG_FORMAT"
"""The variable with the form of the log."""
_TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_OF_WORKFLOWS = {"workflow_id": "workflow_id", "run_id": "run_id", "workflow_type": "workflow_type"}
_OF_ACTIVITIES = _OF_WORKFLOWS | {"workflow_run_id": "run_id", "activity_type": "step", "attempt": "attempt"}
"""What the SDK says of where a record comes from, and the fields that it goes into."""


class JsonLines(logging.Formatter):
    """A record as a JSON object: time, level, logger and message, and what is known of where it comes from.

    That is the workflow, the run, the step, the operation and the attempt, as far as there are any, and the trace that
    it belongs to, where traces are made.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The record in a line."""
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **_where(record),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False, default=str)


def log_as(form: LogFormat, level: int = logging.INFO) -> None:
    """Have this process log in this form, to its standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if form is LogFormat.JSON else logging.Formatter(_TEXT))
    logging.basicConfig(level=level, handlers=[handler])
    if form is LogFormat.JSON:
        # They are fields.
        activity.logger.activity_info_on_message = False
        workflow.logger.workflow_info_on_message = False


def _where(record: logging.LogRecord) -> dict[str, Any]:
    told = vars(record)
    fields: dict[str, Any] = {}
    if activity.in_activity():
        info = activity.info()
        fields = {
            "workflow_id": info.workflow_id,
            "run_id": info.workflow_run_id,
            "step": info.activity_type,
            "attempt": info.attempt,
        }
    for origin, names in (("temporal_workflow", _OF_WORKFLOWS), ("temporal_activity", _OF_ACTIVITIES)):
        details = told.get(origin) or {}
        fields |= {field: details[name] for name, field in names.items() if name in details}
    fields |= told.get("stockkeeper") or {}
    return {name: value for name, value in (fields | _trace()).items() if value is not None}


def _trace() -> dict[str, str]:
    """The trace and the span that the record belongs to, if this process makes traces."""
    if "opentelemetry.trace" not in sys.modules:
        return {}
    from opentelemetry.trace import format_span_id, format_trace_id, get_current_span  # noqa: PLC0415

    context = get_current_span().get_span_context()
    if not context.is_valid:
        return {}
    return {"trace_id": format_trace_id(context.trace_id), "span_id": format_span_id(context.span_id)}
