"""What two stores of different moments don't both know, case by case; and lost steps that are carried out again."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text
from temporalio.api.history.v1 import HistoryEvent, WorkflowExecutionStartedEventAttributes

from database.after_restore import StoredStep, begin_mending, end_mending, unfinished_mending
from database.sessions import Database
from devstack.restore.after_restore import Look, require_no_workers, require_same_products, until_each_import
from devstack.restore.gaps import STARTED_BY, Books, Gap, GapKind, done_since, find_gaps, other_products
from devstack.restore.recorded import ReadRun, RecordedStep
from devstack.restore.repeating import Steps
from devstack.restore.runs import Run
from stockkeeper.contracts import import_file, reservation
from stockkeeper.contracts.import_file import ApplyImportStep, ImportKind, OpenImportStep, StagePageStep
from stockkeeper.contracts.messages import Step
from stockkeeper.contracts.reservation import (
    FulfillReservationStep,
    ReservationLine,
    ReserveStockStep,
)
from stockkeeper.contracts.stock_audit import AuditItemsStep
from stockkeeper.domain.errors import StockkeeperError
from stockkeeper.domain.stock import ItemKey
from tests.support.books import ItemBooks, books, nothing_changes
from tests.support.shop import Shop, new_reference
from worker import Settings

AT = datetime(2026, 11, 28, 12, tzinfo=UTC)


def minute(number: int) -> datetime:
    """So many minutes later."""
    return AT + timedelta(minutes=number)


ANYTHING = ItemKey(1, 1)


def hold(reference: str, item: ItemKey = ANYTHING, units: int = 1) -> ReserveStockStep:
    """The step that holds an order."""
    return ReserveStockStep(
        operation_id=f"reservation-{reference}/reserve",
        performed_by="shop",
        as_of=AT,
        reference_type="ORDER",
        reference_id=reference,
        lines=[ReservationLine(product_id=item.product_id, warehouse_id=item.warehouse_id, quantity=units)],
        expires_at=datetime(2199, 1, 1, tzinfo=UTC),
    )


def shipment(reference: str, name: str) -> FulfillReservationStep:
    """The step that ships all of it."""
    return FulfillReservationStep(
        operation_id=f"reservation-{reference}/fulfill/{name}",
        performed_by="picker",
        as_of=AT,
        reference_type="ORDER",
        reference_id=reference,
        lines=None,
    )


def page(number: int) -> StagePageStep:
    """The step that keeps a page."""
    stamp: dict[str, Any] = {"operation_id": f"import-stock-f/page/{number}", "performed_by": "ann", "as_of": AT}
    kind = ImportKind.STOCK
    return StagePageStep(**stamp, import_id="import-stock-f", kind=kind, columns=["sku"], page=number, rows="")


def opened() -> OpenImportStep:
    """The step that begins a file."""
    stamp: dict[str, Any] = {"operation_id": "import-stock-f/open", "performed_by": "ann", "as_of": AT}
    return OpenImportStep(**stamp, import_id="import-stock-f", apply_operation_id="import-stock-f/apply")


def applied() -> ApplyImportStep:
    """The step that applies a file."""
    stamp: dict[str, Any] = {"operation_id": "import-stock-f/apply", "performed_by": "ann", "as_of": AT}
    kind = ImportKind.STOCK
    return ApplyImportStep(**stamp, import_id="import-stock-f", kind=kind, columns=["sku"], pages=2, rows=2)


def done(activity: str, step: Step, at: datetime | None, answer: Any = None) -> RecordedStep:
    """A step that was carried out then, or wasn't."""
    return RecordedStep(activity, step, at, answer)


def run(
    *steps: RecordedStep,
    of: str = "reservation-1",
    run_id: str = "run",
    is_open: bool = True,
    identity: str = "",
    is_taken_up: bool = True,
    process: Any = reservation.PROCESS,
) -> ReadRun:
    """A run with these steps."""
    attributes = WorkflowExecutionStartedEventAttributes(identity=identity)
    started = HistoryEvent(workflow_execution_started_event_attributes=attributes)
    return ReadRun(Run(of, run_id, process, is_open, AT), started, is_taken_up, list(steps))


def stored(operation_id: str, *, workflow_id: str = "reservation-1", run_id: str = "run") -> StoredStep:
    """An operation of the database."""
    return StoredStep(operation_id, workflow_id, run_id, AT)


def gaps(runs: Sequence[ReadRun], books: Books, *running: str) -> list[tuple[str, str]]:
    """Kind and workflow of what doesn't fit."""
    return [(gap.kind, gap.workflow_id) for gap in find_gaps(AT, runs, set(running), books)]


def test_steps_come_in_the_order_of_their_ends_and_each_once() -> None:
    first, again = done("reserve_stock", hold("1"), minute(3)), done("reserve_stock", hold("1"), minute(4))
    other = done("reserve_stock", hold("2"), minute(1))
    early = done("reserve_stock", hold("3"), minute(-1))
    refused = done("reserve_stock", hold("4"), None)
    stamp: dict[str, Any] = {"operation_id": "audit/items", "performed_by": "audit", "as_of": AT}
    audit = AuditItemsStep(**stamp, warehouse_id=None, seen_by="run", begun_at=AT, after=None)
    reset = run(again, run_id="after a reset")
    found = done_since([run(first, refused, early), reset, run(other, done("audit_items", audit, minute(2)))], AT)
    assert [step for _, step in found] == [other, first]


def test_a_step_is_lost_if_its_operation_is_not_stored() -> None:
    shipped = done("fulfill_reservation", shipment("1", "a"), minute(2))
    runs = [run(done("reserve_stock", hold("1"), minute(1)), shipped)]
    both = {"reservation-1/reserve", "reservation-1/fulfill/a"}
    assert gaps(runs, Books(stored=both)) == []
    [lost] = find_gaps(AT, runs, set(), Books(stored={"reservation-1/reserve"}))
    assert (lost.kind, lost.step) == (GapKind.STEP_LOST, shipped)
    assert lost.detail == "reservation-1/fulfill/a was carried out at 2026-11-28 12:02:00 UTC"


def importing(*steps: RecordedStep, is_open: bool = False) -> ReadRun:
    """The run of a file."""
    return run(*steps, of="import-stock-f", process=import_file.PROCESS, is_open=is_open)


def test_a_file_is_lost_with_all_of_its_steps_or_not_at_all() -> None:
    steps = [
        done("open_import", opened(), minute(1)),
        done("stage_page", page(0), minute(2)),
        done("stage_page", page(1), minute(3)),
        done("apply_import", applied(), minute(4)),
    ]
    assert gaps([importing(*steps)], Books(stored={"import-stock-f/apply"})) == []
    assert gaps([importing(*steps)], Books()) == 4 * [(GapKind.STEP_LOST, "import-stock-f")]


def test_a_file_that_is_half_way_needs_its_pages() -> None:
    half = importing(done("stage_page", page(0), minute(2)), done("stage_page", page(1), minute(3)), is_open=True)
    assert gaps([half], Books(staged_pages={"import-stock-f": 2})) == []
    assert gaps([half], Books(staged_pages={"import-stock-f": 1})) == 2 * [(GapKind.STEP_LOST, "import-stock-f")]


def test_a_document_whose_steps_are_lost_may_have_ended_by_them() -> None:
    ended = run(done("fulfill_reservation", shipment("1", "a"), minute(2)), is_open=False)
    open_orders = Books(open_documents=[("reservation", "1"), ("reservation", "2")])
    assert gaps([ended], open_orders) == [(GapKind.STEP_LOST, "reservation-1"), (GapKind.RUN_MISSING, "reservation-2")]


def test_an_open_document_needs_a_run() -> None:
    documents = [("reservation", "1"), ("transfer", "7")]
    assert gaps([], Books(open_documents=documents), "reservation-1", "transfer-7") == []
    [missing] = find_gaps(AT, [], {"reservation-1"}, Books(open_documents=documents))
    assert (missing.kind, missing.document) == (GapKind.RUN_MISSING, ("transfer", "7"))
    assert missing.detail == "transfer 7 is open, and no run takes its commands"


KNOWN = done("reserve_stock", hold("1"), minute(-5))


@pytest.mark.parametrize(
    ("runs", "books", "expected"),
    [
        pytest.param([run(KNOWN)], Books([stored("reservation-1/reserve")]), False, id="it knows all"),
        pytest.param([run(KNOWN)], Books([stored("reservation-1/fulfill/a")]), True, id="it doesn't know a shipment"),
        pytest.param(
            [run(), run(KNOWN, run_id="before", is_open=False)],
            Books([stored("reservation-1/reserve", run_id="before")]),
            False,
            id="the run before it knows",
        ),
        pytest.param(
            [run(KNOWN, is_open=False)], Books([stored("reservation-1/fulfill/a")]), False, id="it has ended anyway"
        ),
        pytest.param(
            [run(KNOWN)],
            Books([stored("reservation-1/withdrawn/run")]),
            False,
            id="a withdrawal is no step",
        ),
        pytest.param(
            [run(identity=f"{STARTED_BY}olga", is_taken_up=False)],
            Books([stored("reservation-1/fulfill/a")]),
            False,
            id="it was started after the restore and hasn't looked yet",
        ),
        pytest.param([run(KNOWN)], Books(gave_way={"reservation-1"}), True, id="its hold gave way, and it wasn't told"),
        pytest.param(
            [
                run(
                    KNOWN,
                    done(
                        "release_reservation",
                        shipment("1", "x").model_copy(update={"operation_id": "reservation-1/give_way/count"}),
                        minute(1),
                    ),
                )
            ],
            Books(stored={"reservation-1/give_way/count"}, gave_way={"reservation-1"}),
            False,
            id="its hold gave way, and it was told",
        ),
    ],
)
def test_a_run_is_behind_if_its_document_has_gone_on_without_it(
    runs: list[ReadRun], books: Books, expected: bool
) -> None:
    expectation = [(GapKind.RUN_BEHIND, "reservation-1")] if expected else []
    assert gaps(runs, books, "reservation-1") == expectation


def test_a_product_with_another_number_is_told_from_one_that_was_renamed_or_is_not_there_yet() -> None:
    assert other_products({(7, "TEA")}, {(7, "TEA")}) == []
    assert other_products({(7, "TEA")}, set()) == []
    [renumbered] = other_products({(7, "TEA")}, {(9, "TEA")})
    assert renumbered.detail == "runs know TEA as product 7, and the database by another number"
    with pytest.raises(StockkeeperError, match="no further step is repeated"):
        require_same_products([renumbered])


def test_a_history_that_cannot_be_read_is_named() -> None:
    unreadable = run(KNOWN)
    unreadable.unreadable = "NondeterminismError: another step"
    [gap] = find_gaps(AT, [unreadable], {"reservation-1"}, Books([stored("reservation-1/fulfill/a")]))
    assert gap.kind == GapKind.RUN_UNREADABLE
    assert gap.detail == "the history of run run can't be replayed: NondeterminismError: another step"


def lost(*steps: tuple[str, Step]) -> list[Gap]:
    """Lost steps in this order."""
    recorded = [done(activity, step, minute(number)) for number, (activity, step) in enumerate(steps)]
    return [Gap(GapKind.STEP_LOST, "reservation-1", "", run=run(each), step=each) for each in recorded]


def test_products_are_looked_at_again_after_each_file() -> None:
    steps = lost(("open_import", opened()), ("apply_import", applied()), ("reserve_stock", hold("1")))
    assert until_each_import(steps) == [steps[:2], steps[2:]]


def test_nothing_is_mended_while_a_worker_may_be_working() -> None:
    with pytest.raises(StockkeeperError) as refused:
        require_no_workers(Look(None, None, AT, 0, ["1@host"], set(), []), "stockkeeper")
    assert str(refused.value) == (
        "1 worker (1@host) may be working on task queue stockkeeper: stop them, wait a minute, and mend then; "
        "nothing was done"
    )


async def test_steps_in_another_order_are_carried_out_once_and_what_is_short_is_refused(
    database: Database, settings: Settings, shop: Shop, engine: Engine
) -> None:
    item, first, second, third = shop.item(5), new_reference(), new_reference(), new_reference()
    steps = lost(
        ("fulfill_reservation", shipment(first, "all")),
        ("reserve_stock", hold(first, item, 3)),
        ("reserve_stock", hold(second, item, 2)),
        ("reserve_stock", hold(third, item, 1)),
    )
    repeated = await Steps(database, settings).repeat(steps)
    assert [gap.step for gap in repeated.done] == [steps[1].step, steps[2].step, steps[0].step]
    refused = [(each.gap.step, each.why) for each in repeated.refused]
    short = f"product {item.product_id} in warehouse {item.warehouse_id}: requested 1, available 0"
    assert refused == [(steps[3].step, short)]
    assert books(engine, item).items == (ItemBooks(on_hand=2, reserved=2, held=2, open_lines=1, movements=2, moved=2),)
    with nothing_changes(engine, item):
        again = await Steps(database, settings).repeat(steps)
    assert [gap.step for gap in again.done] == [each.step for each in steps[:3]]
    assert [(each.gap.step, each.why) for each in again.refused] == refused
    with engine.connect() as connection:
        moved = text("SELECT occurred_at FROM stock_movements WHERE reference_id = :order")
        assert connection.execute(moved, {"order": first}).scalars().all() == [AT]


def test_a_mending_that_was_interrupted_is_taken_up_from_where_it_began(engine: Engine) -> None:
    first, second = new_reference("after-restore"), new_reference("after-restore")
    with engine.begin() as connection:
        assert unfinished_mending(connection) is None
        begin_mending(connection, first, "olga", minute(3))
        begin_mending(connection, second, "olga", minute(1))
        assert unfinished_mending(connection) == minute(1)
        end_mending(connection, second, "olga", {"repeated": 7})
        assert unfinished_mending(connection) == minute(3)
        end_mending(connection, first, "olga", {"repeated": 0})
        assert unfinished_mending(connection) is None
