"""What every recorded run would do today: the same as when the fingerprints were written, step by step."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from stockkeeper.contracts.messages import Step, parse
from stockkeeper.contracts.question import QUESTIONS
from stockkeeper.contracts.reservation import ReserveStockStep
from tests.replay import told
from tests.replay.fingerprint import (
    RECORDED,
    Replayed,
    difference,
    file_of,
    fingerprint_of,
    messages_of_activities,
    replay,
)
from tests.replay.purchase_order import PurchaseOrderScenes
from tests.replay.record import PROCESSES
from tests.replay.reservation import ReservationScenes
from tests.replay.stock_audit import StockAuditScenes
from tests.support.wire import Json
from workflows.process import Process
from workflows.reservation import ReservationWorkflow

CHANGED = """
Runs of {process} that are under way would do something else:

{difference}

If no run may be under way that does this, or it is meant: docs/operations.md, "Changing a workflow". Behind
workflow.patched a change leaves these runs as they are; then record the new way as a scene of its own, and
`python -m tests.replay.fingerprint` adds it here."""


@pytest.fixture(scope="module")
async def replayed() -> Mapping[Path, Replayed]:
    """What becomes of each recorded run with today's workflows."""
    return await replay()


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_a_recorded_run_is_replayed(path: Path, replayed: Mapping[Path, Replayed]) -> None:
    assert replayed[path].failure is None


@pytest.mark.parametrize("process", PROCESSES)
def test_a_recorded_run_asks_for_the_same_as_before(process: str, replayed: Mapping[Path, Replayed]) -> None:
    changed = difference(file_of(process).read_text(), fingerprint_of(process, replayed))
    assert not changed, CHANGED.format(process=process, difference=changed)


@pytest.mark.parametrize("process", PROCESSES)
def test_a_recorded_run_tells_people_what_is_written(process: str, replayed: Mapping[Path, Replayed]) -> None:
    """If it is meant to say something else: ``python -m tests.replay.told``, and look at the difference."""
    assert told.told_by(process, replayed).splitlines() == told.file_of(process).read_text().splitlines()


def test_there_is_a_fingerprint_of_each_process_and_of_nothing_else() -> None:
    assert {path.stem for path in file_of("reservation").parent.iterdir()} == set(PROCESSES)
    assert {path.stem for path in told.file_of("reservation").parent.iterdir()} == set(PROCESSES)


async def test_a_step_under_another_operation_is_found_although_it_is_replayed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Process, "operation", lambda _, *step: "/".join(step))
    held = ReservationScenes.path("held")
    changed = await replay([ReservationWorkflow], [held])

    assert changed[held].failure is None
    assert [each.line for each in changed[held].commands] == [
        "take an update",
        "local step reserve_stock as reserve of 3cb34924",
        "search attributes StockDeadline, StockReference, StockSkus, StockStatus, StockWarehouses",
        "start timer",
        "answer an update",
    ]
    assert file_of("reservation").read_text().splitlines()[:3] == [
        "held",
        "  take an update",
        "  local step reserve_stock as reservation-held/reserve of 3cb34924",
    ]


async def test_a_step_with_other_contents_is_found_although_it_is_replayed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with a field that an older version hasn't compared: a repeat of its step would be taken for another one."""
    monkeypatch.setattr(ReserveStockStep, "not_compared", Step.not_compared)
    held = ReservationScenes.path("held")
    changed = await replay([ReservationWorkflow], [held])

    assert changed[held].failure is None
    assert [each.line for each in changed[held].commands][1] == (
        "local step reserve_stock as reservation-held/reserve of 1a87ba77"
    )


SUMMARIES = {
    "adjustment_continued": "Adjustment continued: 1 line, 0 units in, 10 out",
    "customer_return_continued": "Return continued: 1 line, 5 units",
    "cycle_count_continued": "Count continued: 2 items",
    "inspection_continued": "Inspection continued: 1 line, 5 units",
    "cycle_count_plan_continued": "Counts that are due",
    "event_subscriber_continued": "Events to continued",
    "import_file_continued": "Suppliers from suppliers.csv",
    "lot_expiry_continued": "Lots that expire",
    "order_in_parts_continued": "Order continued_in_parts: 2 lines in 2 databases",
    "purchase_order_continued_draft": "Purchase order continued_draft: 1 line, 5.00",
    "purchase_order_continued_late": "Purchase order continued_late: 1 line, 5.00",
    "recall_continued": "Recall continued: lot BAD, glass in a jar",
    "reorder_continued": "Reorder of items below their reorder point",
    "replenishment_plan_continued": "Planning of every item",
    "reservation_continued": "Order continued: 1 line",
    "reservation_named_refused_start": "Order named_refused_start: 1 line",
    "reservation_named_rejected": "Order named_rejected: 1 line",
    "reservation_named_short_and_begun_anew": "Order named_short_and_begun_anew: 1 line",
    "reservation_named_unknown_product": "Order named_unknown_product: 1 line",
    "reservation_wait_continued": "Order wait_continued: 1 line",
    "stock_audit_continued": "An audit",
    "transfer_continued": "Transfer continued: 1 line, 5 units",
    "transfer_continued_overdue": "Transfer continued_overdue: 1 line, 5 units",
}


def test_a_run_that_follows_another_one_says_what_the_summary_of_its_start_says(
    replayed: Mapping[Path, Replayed],
) -> None:
    def follows(path: Path) -> bool:
        started = json.loads(path.read_text())["events"][0]["workflowExecutionStartedEventAttributes"]
        return bool(started.get("continuedExecutionRunId"))

    first = {path.stem: replayed[path].details.partition("\n")[0] for path in RECORDED if follows(path)}
    leads = "This run goes on where an earlier one has ended: *Relationships* leads to that."
    assert first == {name: f"{summary}. {leads}" for name, summary in SUMMARIES.items()}
    assert [path.stem for path in RECORDED if leads in replayed[path].details and not follows(path)] == []


def test_details_say_what_has_become_of_it_and_what_comes_next(replayed: Mapping[Path, Replayed]) -> None:
    def sentence(path: Path) -> str:
        return next(line for line in replayed[path].details.splitlines() if line.startswith("**"))

    assert sentence(ReservationScenes.path("fulfilled")) == "**FULFILLED** · Everything has left for order fulfilled."
    assert sentence(ReservationScenes.path("lowered")) == (
        "**FULFILLED** · What wasn't given up has left for order lowered."
    )
    assert sentence(StockAuditScenes.path("agreed")).endswith(" looked at. Everything agrees.")
    assert sentence(StockAuditScenes.path("found")).endswith(
        " findings. Next: `stockkeeper audit list` names products and warehouses; `repair` or `accept` each."
    )
    # The heads of a table aren't parted, unless they are long.
    assert "|unit\u00a0cost\u2003|" in replayed[PurchaseOrderScenes.path("submitted")].details
    assert "|what doesn't agree\u2003|" in replayed[StockAuditScenes.path("found")].details


def test_a_difference_names_the_run_and_both_ways() -> None:
    before = "held\n  start timer\n  local step hold as a/hold\n\nlate\n  cancel timer\n"
    now = "held\n  start timer\n  local step hold as hold/a\n\nlate\n  cancel timer\n  start timer\n"
    assert difference(before, before) == ""
    assert difference(before, now) == (
        "held: - local step hold as a/hold\nheld: + local step hold as hold/a\nlate: + start timer"
    )


def _decoded(payload: Json) -> Json:
    return json.loads(base64.b64decode(payload["data"]))


def test_every_step_is_asked_for_in_some_recorded_run(replayed: Mapping[Path, Replayed]) -> None:
    asked = {each.message[0] for run in replayed.values() for each in run.commands if each.message is not None}
    by_clients = {question.activity.__name__ for question in QUESTIONS.values()}
    assert set(messages_of_activities()) - asked == by_clients - asked


def test_what_an_older_worker_has_asked_of_the_task_queue_is_still_taken() -> None:
    models = messages_of_activities()
    scheduled = [
        event["activityTaskScheduledEventAttributes"]
        for path in RECORDED
        for event in json.loads(path.read_text())["events"]
        if event["eventType"] == "EVENT_TYPE_ACTIVITY_TASK_SCHEDULED"
    ]
    for each in scheduled:
        parse(models[each["activityType"]["name"]], [_decoded(one) for one in each["input"]["payloads"]])
    assert len({each["activityType"]["name"] for each in scheduled}) == 49
