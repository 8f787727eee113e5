"""Spans of statements, by OpenTelemetry. Imported only by a process that makes traces.

The instrumentations that there are for SQLAlchemy and psycopg see none of the statements that matter here: the hot path
sends its own past both of their cursors (`database.pipeline`). Values aren't in a span: texts have placeholders, and of
an error there is its code.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

from opentelemetry.trace import (
    Link,
    Span,
    SpanKind,
    StatusCode,
    Tracer,
    get_current_span,
    get_tracer,
    set_span_in_context,
    use_span,
)
from opentelemetry.util.types import AttributeValue
from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import ExceptionContext

from database import tracing
from stockkeeper.domain.errors import DomainError

SCOPE = "stockkeeper.database"
"""The instrumentation scope of these spans."""
_STEPS = "stockkeeper.steps"
"""The number of steps that share a transaction."""
_COMMITS = "stockkeeper.commits"
"""Whether statements that are sent together end with the commit."""
_TOGETHER = "pipeline"
_WRITES = re.compile(r"\b(INSERT INTO|(?<!FOR )(?<!KEY )(?<!DO )UPDATE|DELETE FROM|MERGE INTO) +(\w+)", re.ASCII)
_READS = re.compile(r"\bFROM +(?!unnest\b)(\w+)", re.ASCII)
_CALLS = re.compile(r"^SELECT +(\w+)\(", re.ASCII)
_SPAN = "span of stockkeeper"


def make_spans(engine: Engine) -> None:
    """Make spans of an engine's statements, within the spans of the steps that ask for them."""
    tracing.make(_Spans())
    if not event.contains(engine, "before_cursor_execute", _begin):
        event.listen(engine, "before_cursor_execute", _begin)
        event.listen(engine, "after_cursor_execute", _end)
        event.listen(engine, "handle_error", _fail)


class _Spans:
    """See `tracing.Spans`."""

    @contextmanager
    def of_pipeline(self, statements: Sequence[tracing.Sent], *, commits: bool) -> Iterator[None]:
        """One span for statements that are sent together: the server tells no times apart."""
        if not get_current_span().is_recording():
            yield
            return
        described = [_described(text) for text, _ in statements]
        attributes: dict[str, AttributeValue] = {
            **_POSTGRESQL,
            "db.operation.batch.size": len(described),
            "db.query.summary": "; ".join(summary for summary, _ in described),
            "db.query.text": ";\n".join(query for _, query in described),
            _COMMITS: commits,
        }
        span = _tracer().start_span(_TOGETHER, kind=SpanKind.CLIENT, attributes=attributes)
        try:
            yield
        except Exception as error:
            _mark(span, error)
            raise
        finally:
            span.end()

    def here(self) -> Span:
        """The span that the caller is in."""
        return get_current_span()

    @contextmanager
    def of_transaction(self, members: Sequence[object]) -> Iterator[None]:
        """One span for a transaction, in the trace of one of its steps; the others' have links to it, and it to them.

        It is the first step's whose trace is kept: the one whose thread carries all of them out is the first of all.
        """
        kept = [each for each in members if isinstance(each, Span) and each.is_recording()]
        if not kept:
            yield
            return
        home, *others = kept
        span = _tracer().start_span(
            "transaction",
            context=set_span_in_context(home),
            attributes={_STEPS: len(members)},
            links=[Link(each.get_span_context()) for each in others],
        )
        for each in others:
            each.add_link(span.get_span_context())
        with use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
            try:
                yield
            except Exception as error:
                _mark(span, error)
                raise


_POSTGRESQL: dict[str, AttributeValue] = {"db.system.name": "postgresql"}


def _tracer() -> Tracer:
    return get_tracer(SCOPE)


@cache
def _described(text: str) -> tuple[str, str]:
    """A statement's summary, such as ``INSERT INTO operations``, and its text in one line."""
    line = " ".join(text.split())
    if found := _WRITES.search(line):
        return " ".join(found.groups()), line
    verb = line.partition(" ")[0].upper()
    if found := _READS.search(line) or _CALLS.search(line):
        return f"{'SELECT' if verb == 'WITH' else verb} {found[1]}", line
    return verb, line


def _begin(connection: Connection, _cursor: object, statement: str, _values: object, context: Any, many: bool) -> None:  # noqa: FBT001 - SQLAlchemy's signature
    del connection, many
    if context is not None and get_current_span().is_recording():
        summary, query = _described(statement)
        attributes = {**_POSTGRESQL, "db.query.summary": summary, "db.query.text": query}
        vars(context)[_SPAN] = _tracer().start_span(summary, kind=SpanKind.CLIENT, attributes=attributes)


def _end(connection: Connection, _cursor: object, _statement: str, _values: object, context: Any, many: bool) -> None:  # noqa: FBT001 - SQLAlchemy's signature
    del connection, many
    if (span := _taken_from(context)) is not None:
        span.end()


def _fail(failed: ExceptionContext) -> None:
    if (span := _taken_from(failed.execution_context)) is not None:
        _mark(span, failed.original_exception)
        span.end()


def _taken_from(context: object) -> Span | None:
    return None if context is None else vars(context).pop(_SPAN, None)


def _mark(span: Span, error: BaseException) -> None:
    """Let a span have failed: by PostgreSQL's code, or else the kind of the error. A message may have values in it.

    A refusal is an answer, and no failure.
    """
    code = getattr(getattr(error, "orig", error), "sqlstate", None) or type(error).__name__
    span.set_attribute("error.type", code)
    if not isinstance(error, DomainError):
        span.set_status(StatusCode.ERROR, code)
