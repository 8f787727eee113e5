"""Our metrics, beside the SDK's on the same endpoint; `docs/metrics.md` says what each means, and how to add them up.

All are made here, and stand at zero from the start: Prometheus sees no increase of a counter that appears with its
first event. What a workflow counts for itself has the labels of the SDK, and begins here as well. A label has a value
of a fixed list: never a product, a number or a person.
"""

import time
from collections.abc import Mapping, Sequence

from temporalio.common import MetricCounter, MetricMeter

from database.figures import MAY_BE_OVERDUE, NEED_APPROVAL, Figure
from database.measures import GAVE_WAY, Measures, Tally
from stockkeeper.contracts import event_subscriber
from stockkeeper.contracts.metrics import NOTICES, NOTICES_MEANING, REORDER_DRAFTS, REORDER_DRAFTS_MEANING
from stockkeeper.contracts.notice import Audience, NoticeOutcome
from stockkeeper.contracts.outage import DATABASE_TROUBLES
from stockkeeper.contracts.processes import PROCESSES
from stockkeeper.contracts.reorder import WORKFLOW_TYPE as REORDER
from stockkeeper.domain.errors import DomainError, InsufficientStock
from stockkeeper.domain.reservation import ReservationStatus
from stockkeeper.domain.stock_audit import FindingKind
from stockkeeper.domain.waiting import WaitStatus

ORDER_OR_TRANSFER = ("ORDER", "TRANSFER")
HOLD_ENDS = (ReservationStatus.FULFILLED, ReservationStatus.CANCELLED, ReservationStatus.EXPIRED, GAVE_WAY)
WAIT_ENDS = (WaitStatus.HELD, WaitStatus.REJECTED, WaitStatus.CANCELLED)
REFUSED, WAITS = "refused", "waits"
ERRORS = sorted(code for code in DomainError.codes if not code.startswith("_"))
FAULT = "fault"
"""An attempt that failed by nothing that is known: a fault of the code, which a person has to see."""

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0)
_LAGS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0)
_SIZES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)

BUCKETS: Mapping[str, Sequence[float]] = {
    "stockkeeper_statement_seconds": _SECONDS,
    "stockkeeper_commit_seconds": _SECONDS,
    "stockkeeper_release_lag_seconds": _LAGS,
    "stockkeeper_batch_steps": _SIZES,
}
"""The SDK's own buckets are for milliseconds. A name here also stands for every metric whose name it is a part of."""

_FIGURES: Mapping[str, tuple[str, str, Sequence[str]]] = {
    "holds_open": ("Holds that are open", "", ()),
    "holds_overdue": ("Open holds whose deadline has come", "", ()),
    "holds_overdue_oldest_seconds": ("Seconds since the earliest of those deadlines", "", ()),
    "orders_secured": ("Orders over several databases whose command is under way, with a part here", "", ()),
    "orders_secured_oldest_seconds": ("Seconds since the first of those parts was secured", "", ()),
    "orders_waiting": ("Orders that wait for stock", "", ()),
    "orders_waiting_overdue": ("Waiting orders whose time is over", "", ()),
    "orders_waiting_oldest_seconds": ("Seconds that the first of the waiting orders has waited", "", ()),
    "documents_overdue": ("Documents whose goods should have come", "process", MAY_BE_OVERDUE),
    "documents_overdue_oldest_seconds": ("Seconds since the first of them should have", "process", MAY_BE_OVERDUE),
    "approvals_waiting": ("Documents and counted lines that wait for another person", "process", NEED_APPROVAL),
    "approvals_oldest_seconds": ("Seconds since the first of those was asked for", "process", NEED_APPROVAL),
    "reorder_drafts_open": ("Drafts of reorder runs that wait for an approval", "", ()),
    "recalls_open": ("Recalls that are under way", "", ()),
    "audit_findings": ("Open findings of the audit", "kind", tuple(FindingKind)),
    "events_waiting": ("Events that are committed and have no number yet", "", ()),
    "events_waiting_oldest_seconds": ("Seconds since the first of those happened", "", ()),
    "events_kept": ("Events that can be read", "", ()),
    "events_last_number": ("Number of the latest event", "", ()),
    "items_below_reorder_point": ("Items of which less is available than their reorder point", "", ()),
}
"""Meaning, label and its values of each figure in `database.figures`."""


class Metrics(Measures):
    """The metrics of one worker.

    Args:
        meter: The SDK's, with its exporter behind it.
    """

    def __init__(self, meter: MetricMeter) -> None:
        self._meter = meter
        made = meter.create_counter("stockkeeper_holds_made_total", "Holds that were placed")
        self._made = {each: made.with_additional_attributes({"reference": each}) for each in ORDER_OR_TRANSFER}
        ended = meter.create_counter("stockkeeper_holds_ended_total", "Holds that have ended, by how")
        self._ended = {each: ended.with_additional_attributes({"outcome": each.lower()}) for each in HOLD_ENDS}
        self._made_again = meter.create_counter(
            "stockkeeper_holds_made_again_total", "Holds that gave way and were placed again"
        )
        rejected = meter.create_counter("stockkeeper_holds_rejected_total", "Requests for a hold that were refused")
        self._rejected = {each: rejected.with_additional_attributes({"error": each}) for each in ERRORS}
        prevented = meter.create_counter(
            "stockkeeper_overselling_prevented_total", "Requests for more than is available, by what became of them"
        )
        self._prevented = {each: prevented.with_additional_attributes({"outcome": each}) for each in (REFUSED, WAITS)}
        self._units_short = meter.create_counter(
            "stockkeeper_units_short_total", "Units that refused requests were short of"
        )
        waits = meter.create_counter("stockkeeper_waits_ended_total", "Waits for stock that have ended, by how")
        self._waits_ended: Mapping[str, MetricCounter] = {
            each: waits.with_additional_attributes({"outcome": each.lower()}) for each in WAIT_ENDS
        }
        failed = meter.create_counter("stockkeeper_attempts_failed_total", "Attempts of steps that are tried again")
        self._failed = {
            each: failed.with_additional_attributes({"error": each}) for each in (*sorted(DATABASE_TROUBLES), FAULT)
        }
        refused = meter.create_counter(
            "stockkeeper_notices_refused_total", "Attempts to send a notice that a service didn't take"
        )
        self._notices_refused = {each: refused.with_additional_attributes({"audience": each}) for each in Audience}
        self._lag = meter.create_histogram_float(
            "stockkeeper_release_lag_seconds", "Seconds from a hold's deadline to its release"
        )
        self._batch = meter.create_histogram("stockkeeper_batch_steps", "Steps that shared one transaction")
        self._statement = meter.create_histogram_float(
            "stockkeeper_statement_seconds", "Seconds of a round trip of statements without a commit"
        )
        self._commit = meter.create_histogram_float(
            "stockkeeper_commit_seconds", "Seconds of a commit, with what is written in the same round trip"
        )
        self._gauges = {
            name: meter.create_gauge_float(f"stockkeeper_{name}", meaning) for name, (meaning, _, _) in _FIGURES.items()
        }
        self._read_at = meter.create_gauge_float(
            "stockkeeper_figures_read_timestamp_seconds", "When the figures of the database were read, in Unix time"
        )
        self._pool = meter.create_gauge("stockkeeper_pool_connections", "Database connections that the worker may have")
        self._in_use = meter.create_gauge("stockkeeper_pool_in_use", "Database connections in use at the last look")
        self._most_in_use = meter.create_gauge(
            "stockkeeper_pool_in_use_most", "Most database connections in use at a time since the look before"
        )
        self._pending = meter.create_gauge(
            "stockkeeper_notices_pending", "Notices that a service hasn't taken yet and that are tried again"
        )
        self._pending_oldest = meter.create_gauge_float(
            "stockkeeper_notices_pending_oldest_seconds", "Seconds since the first of those was to be sent"
        )

    def begin(self, namespace: str, task_queue: str) -> None:
        """Let all stand at zero that nothing has happened of yet."""
        for counters in (
            *(self._made.values(), self._ended.values(), self._rejected.values(), self._prevented.values()),
            *(self._waits_ended.values(), self._failed.values(), self._notices_refused.values()),
            (self._made_again, self._units_short),
        ):
            for counter in counters:
                counter.add(0)
        notices = self._meter.create_counter(NOTICES, NOTICES_MEANING)
        sdk = {"namespace": namespace, "task_queue": task_queue}
        for process in (*PROCESSES, event_subscriber.PROCESS):
            for outcome in (NoticeOutcome.SENT, NoticeOutcome.LOGGED, NoticeOutcome.FAILED):
                notices.add(0, {**sdk, "workflow_type": process.workflow_type, "outcome": outcome.lower()})
        drafts = self._meter.create_counter(REORDER_DRAFTS, REORDER_DRAFTS_MEANING)
        drafts.add(0, {**sdk, "workflow_type": REORDER})
        self.notices_pending(0, 0.0)

    def round_trip(self, seconds: float, *, commits: bool) -> None:
        """Time statements, or a commit."""
        (self._commit if commits else self._statement).record(seconds)

    def committed(self, tally: Tally) -> None:
        """Count what a transaction has changed."""
        if tally.steps:
            self._batch.record(tally.steps)
        for reference, holds in tally.placed.items():
            self._made[reference].add(holds)
        for outcome, holds in tally.ended.items():
            self._ended[outcome].add(holds)
        if tally.held_again:
            self._made_again.add(tally.held_again)
        if tally.waits_begun:
            self._prevented[WAITS].add(tally.waits_begun)
        for outcome, waits in tally.waits_ended.items():
            self._waits_ended[outcome].add(waits)
        now = time.time() if tally.overdue_since else 0.0
        for deadline in tally.overdue_since:
            self._lag.record(max(now - deadline.timestamp(), 0.0))

    def rejected(self, refusal: DomainError) -> None:
        """Count a request for a hold that was refused."""
        self._rejected[refusal.code].add(1)
        if isinstance(refusal, InsufficientStock):
            self._prevented[REFUSED].add(1)
            self._units_short.add(sum(max(each.requested - each.available, 0) for each in refusal.shortages))

    def attempt_failed(self, error: str) -> None:
        """Count an attempt that is tried again; an unknown error is a fault."""
        self._failed.get(error, self._failed[FAULT]).add(1)

    def notice_refused(self, audience: Audience) -> None:
        """Count an attempt to send a notice that a service didn't take."""
        self._notices_refused[audience].add(1)

    def notices_pending(self, notices: int, oldest_seconds: float) -> None:
        """Show how many notices are tried again, and since when the first."""
        self._pending.set(notices)
        self._pending_oldest.set(oldest_seconds)

    def pool(self, connections: int, in_use: int, most_in_use: int) -> None:
        """Show what is used of the database connections."""
        self._pool.set(connections)
        self._in_use.set(in_use)
        self._most_in_use.set(most_in_use)

    def figures(self, figures: Sequence[Figure], read_at: float) -> None:
        """Show the figures of the whole database; what isn't among them is at zero.

        Args:
            figures: They.
            read_at: The instant, in Unix time.
        """
        found = {(name, of): value for name, of, value in figures}
        for name, (_, label, values) in _FIGURES.items():
            for of in values or ("",):
                self._gauges[name].set(found.get((name, of), 0.0), {label: of} if label else None)
        self._read_at.set(read_at)
