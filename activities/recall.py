"""The steps of a recall: lock, decide, write, answer.

A step locks the recall's row first, then its lot, then the items that have units of it. `stockkeeper.domain.recall`
decides, and `database.recall` reads and writes.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection
from temporalio import activity

from activities.writes import (
    UNCHANGED,
    Effect,
    OnDatabase,
    columns_of,
    database_errors,
    document_once,
    effect_once,
    effects_of,
    require_same,
)
from database.corrections import Correction
from database.document import close_document, insert_document, is_stored, read_document, update_document
from database.events import insert_events
from database.operations import Operation
from database.pipeline import send
from database.recall import (
    ORDERS_SHOWN,
    RECALL,
    NamedLot,
    Stopped,
    figures_of,
    find_lot,
    keep_look,
    lock_recall,
    order_recalled,
    release_lot,
    require_tracked,
    sold_of,
    stop_lot,
)
from database.sessions import Database
from stockkeeper.contracts.messages import StockAnswer, state_of
from stockkeeper.contracts.recall import (
    ORDERS_TOLD_AT_ONCE,
    BlockElsewhereStep,
    BlockLotStep,
    CloseRecallStep,
    Facts,
    FindLot,
    LotFiguresState,
    LotKnown,
    LotStopped,
    OrdersTold,
    RecallActivities,
    RecalledOrder,
    RecalledTransit,
    RecallRequest,
    RecallState,
    RecallStep,
    ReleaseElsewhereStep,
    ReleaseRecallStep,
    StepOnLot,
    StoppedState,
    StoredRecall,
    TellOrdersStep,
    TrackRecallStep,
)
from stockkeeper.domain.conflicts import already_exists
from stockkeeper.domain.recall import RecallEvent, RecallStatus

_FROM_THE_FIRST = (0, datetime(1970, 1, 1, tzinfo=UTC), 0)


class RecallSteps(OnDatabase, RecallActivities):
    """`RecallActivities` on PostgreSQL.

    Args:
        database: The database.
        others: The task queues of the other databases, if there are several.
    """

    def __init__(self, database: Database, *, others: Sequence[str] = ()) -> None:
        super().__init__(database)
        self._others = list(others)

    @activity.defn(name="find_lot", no_thread_cancel_exception=True)
    def find_lot(self, question: FindLot) -> LotKnown:
        """What this database knows of a lot, and which others there are. Locks nothing.

        Raises:
            UnknownProduct: There is no such product.
            InvalidRequest: It isn't tracked by lot.
        """
        with database_errors(), self._database.snapshot() as connection:
            require_tracked(connection, question.product_id)
            known = find_lot(connection, _lot(question))
        facts = None if known is None else Facts.model_validate(known, from_attributes=True)
        return LotKnown(facts=facts, others=self._others)

    @activity.defn(name="block_lot", no_thread_cancel_exception=True)
    def block_lot(self, step: BlockLotStep) -> StoredRecall:
        """Store the recall and block its lot, all in one transaction: afterwards nothing of it is held, nor leaves.

        Every hold on it gets other lots, or gives way. Units in transit arrive, and stay blocked.

        Locks: the recall's number is unique; the lot, then the items with units of it. Operation: ``{workflow}/block``.

        Raises:
            UnknownProduct, InvalidRequest: There is no such product or lot.
            InvalidState: The lot is blocked already.
            OperationConflict: A recall with this number and other contents exists.
        """

        def effect(connection: Connection, operation: Operation) -> StockAnswer | None:
            if is_stored(connection, RECALL, step.recall_number):
                stored = _stored(connection, step.recall_number)
                another = already_exists("recall", step.recall_number)
                wanted = (step.product_id, step.lot_number, step.reason, step.performed_by)
                known = (stored.lot.product_id, stored.lot.lot_number, stored.reason, stored.requested_by)
                require_same(known, wanted, otherwise=another)
                return UNCHANGED
            stopped = _stop(connection, operation, step)
            columns = columns_of(step, RECALL) | {
                "requested_by": step.performed_by,
                "warehouse_ids": [place["warehouse_id"] for place in stopped.places],
                "stopped": stopped.places,
                "in_transit": stopped.in_transit,
            }
            lot = _lot(step)
            insert_document(connection, operation, RECALL, [lot._asdict()], status=RecallStatus.BLOCKED, **columns)
            return _effects(stopped)

        return self._once(step, effect)

    @activity.defn(name="block_lot_elsewhere", no_thread_cancel_exception=True)
    def block_lot_elsewhere(self, step: BlockElsewhereStep) -> LotStopped:
        """Block the lot of a recall that another database has; one that is blocked here already stays as it is.

        One that isn't known here is known, and blocked, from here on: it may arrive.

        Locks: the lot, then the items with units of it. Operation: ``{workflow}/block_elsewhere``.
        """

        def effect(connection: Connection, operation: Operation) -> LotStopped:
            stopped = _stop(connection, operation, step, again=True)
            answer = _effects(stopped)
            return LotStopped(
                **answer.model_dump(exclude={"is_repeat"}),
                stopped=[StoppedState.model_validate(each) for each in stopped.places],
                in_transit=[RecalledTransit.model_validate(each) for each in stopped.in_transit],
            )

        return effect_once(self._database, step, LotStopped, effect)[0]

    @activity.defn(name="tell_orders", no_thread_cancel_exception=True)
    def tell_orders(self, step: TellOrdersStep) -> OrdersTold:
        """Tell a page of orders that they have got units of the lot, by an event each.

        Locks nothing: what has left stays in the ledger. Operation: ``{workflow}/tell_orders/{database}/{page}``.
        """

        def effect(connection: Connection, operation: Operation) -> OrdersTold:
            lot = _lot(step)
            sold = sold_of(connection, lot, step.after or _FROM_THE_FIRST, ORDERS_TOLD_AT_ONCE)
            if not sold:
                return OrdersTold(orders=[])
            sku = require_tracked(connection, step.product_id)
            told = order_recalled(operation, lot, sku, sold, recall_number=step.recall_number, reason=step.reason)
            send(connection, [insert_events(told)])
            last = sold[-1]
            return OrdersTold(
                orders=[RecalledOrder.model_validate(each.data) for each in told],
                after=(last.warehouse_id, last.created_at, last.movement_id)
                if len(sold) == ORDERS_TOLD_AT_ONCE
                else None,
            )

        return effect_once(self._database, step, OrdersTold, effect)[0]

    @activity.defn(name="show_lot_figures", no_thread_cancel_exception=True)
    def show_lot_figures(self, question: FindLot) -> LotFiguresState:
        """What has become of the lot's units in this database, all in one snapshot. Locks nothing."""
        with database_errors(), self._database.snapshot() as connection:
            return LotFiguresState.of(*figures_of(connection, _lot(question)))

    @activity.defn(name="track_recall", no_thread_cancel_exception=True)
    def track_recall(self, step: TrackRecallStep) -> StoredRecall:
        """Look what has become of the lot's units, and keep it. Nothing is told if nothing has changed.

        Locks: the recall. Operation: ``{workflow}/track/{instant}``.
        """

        def effect(connection: Connection, operation: Operation) -> StockAnswer | None:
            del operation
            recall, lot = lock_recall(connection, step.recall_number)
            if recall.status is not RecallStatus.BLOCKED:
                return UNCHANGED
            before = _stored(connection, step.recall_number)
            _look(connection, recall.recall_id, lot, step, before)
            after = _stored(connection, step.recall_number)
            is_same = (before.figures, before.orders, before.stopped) == (after.figures, after.orders, after.stopped)
            return UNCHANGED if is_same else None

        return self._once(step, effect)

    @activity.defn(name="release_recall", no_thread_cancel_exception=True)
    def release_recall(self, step: ReleaseRecallStep) -> StoredRecall:
        """Let the lot leave again, and end the recall. Orders that wait for its units are served.

        Locks: the recall, then the lot, then the items with units of it. Operation: ``{workflow}/release/{command}``.

        Raises:
            InvalidState: It has ended.
            NotPermitted: The same person has blocked the lot.
        """

        def effect(connection: Connection, operation: Operation) -> StockAnswer | None:
            recall, lot = lock_recall(connection, step.recall_number)
            status = recall.after_release(step.performed_by)
            _look(connection, recall.recall_id, lot, step, _stored(connection, step.recall_number))
            by = {"released_by": step.performed_by}
            close_document(
                connection, operation, RECALL, recall.recall_id, status, step.as_of, reason=step.reason, **by
            )
            release_lot(
                connection,
                operation,
                lot,
                recall_number=step.recall_number,
                reason=step.reason,
                as_of=step.as_of,
            )
            return None

        return self._once(step, effect)

    @activity.defn(name="release_lot_elsewhere", no_thread_cancel_exception=True)
    def release_lot_elsewhere(self, step: ReleaseElsewhereStep) -> LotStopped:
        """Let the lot of a recall leave again that another database has released; unless it is blocked by another one.

        Locks: the lot, then the items with units of it. Operation: ``{workflow}/release_elsewhere``.
        """

        def effect(connection: Connection, operation: Operation) -> LotStopped:
            number = step.recall_number
            release_lot(connection, operation, _lot(step), recall_number=number, reason=step.reason, as_of=step.as_of)
            return LotStopped()

        return effect_once(self._database, step, LotStopped, effect)[0]

    @activity.defn(name="close_recall", no_thread_cancel_exception=True)
    def close_recall(self, step: CloseRecallStep) -> StoredRecall:
        """End the recall with the report of its units. The lot stays blocked.

        Locks: the recall. Operation: ``{workflow}/close/{command}``.

        Raises:
            InvalidState: It has ended.
        """

        def effect(connection: Connection, operation: Operation) -> StockAnswer | None:
            recall, lot = lock_recall(connection, step.recall_number)
            status = recall.after(RecallEvent.CLOSE)
            _look(connection, recall.recall_id, lot, step, _stored(connection, step.recall_number))
            close_document(connection, operation, RECALL, recall.recall_id, status, step.as_of, reason=step.reason)
            return None

        return self._once(step, effect)

    def _once(self, step: RecallStep, effect: Effect) -> StoredRecall:
        number = step.recall_number
        return document_once(self._database, step, StoredRecall, effect, lambda connection: _stored(connection, number))


def _lot(of: FindLot | StepOnLot) -> NamedLot:
    return NamedLot(of.product_id, of.lot_number)


def _stop(connection: Connection, operation: Operation, step: BlockLotStep, *, again: bool = False) -> Stopped:
    return stop_lot(
        connection,
        operation,
        _lot(step),
        None if step.facts is None else step.facts.of(step.lot_number),
        recall_number=step.recall_number,
        reason=step.reason,
        as_of=step.as_of,
        again=again,
    )


def _effects(stopped: Stopped) -> StockAnswer:
    return effects_of(Correction(fell_below=stopped.fell_below, gave_way=stopped.gave_way))


def _look(connection: Connection, recall_id: int, lot: NamedLot, step: TrackRecallStep, before: StoredRecall) -> None:
    """Keep what has become of the lot's units here and elsewhere."""
    figures, orders = figures_of(connection, lot)
    total = figures + step.elsewhere.as_figures
    keep_look(connection, recall_id, total, step.as_of, orders_total=orders + step.elsewhere.orders)
    more: dict[str, Any] = {}
    if step.orders is not None:
        more["orders"] = [each.model_dump() for each in step.orders[:ORDERS_SHOWN]]
    known = set(before.warehouse_ids)
    if new := [each for each in step.stopped if each.warehouse_id not in known]:
        more["stopped"] = [each.model_dump() for each in (*before.stopped, *new)]
        more["warehouse_ids"] = [*before.warehouse_ids, *(each.warehouse_id for each in new)]
    sent = {each.transfer_number for each in before.in_transit}
    if on_its_way := [each for each in step.in_transit if each.transfer_number not in sent]:
        more["in_transit"] = [each.model_dump() for each in (*before.in_transit, *on_its_way)]
    if more:
        update_document(connection, RECALL, recall_id, **more)


def show(connection: Connection, recall_number: str, _as_of: datetime) -> RecallState | None:
    """The state of a recall, for `activities.documents`; None: nothing is stored by that number."""
    if not is_stored(connection, RECALL, recall_number):
        return None
    stored = _stored(connection, recall_number)
    return state_of(RecallState, stored, product_id=stored.lot.product_id, lot_number=stored.lot.lot_number)


def _stored(connection: Connection, recall_number: str) -> StoredRecall:
    """The recall as it is in this transaction."""
    recall = read_document(connection, RECALL, recall_number)
    by_another_run = recall.pop("run_id") != activity.info().workflow_run_id
    figures = recall.pop("figures")
    if figures:
        known = LotFiguresState.model_validate(figures)
        recall["figures"] = LotFiguresState.of(known.as_figures, recall["orders_total"])
    else:
        recall["figures"] = None
    return StoredRecall.model_validate(recall | {"started_by_another_run": by_another_run})


def start_again(connection: Connection, number: str, _as_of: datetime, _person: str) -> RecallRequest:
    """The start of another run for a stored recall: `devstack.restore`."""
    stored = _stored(connection, number)
    return RecallRequest(
        recall_number=number,
        product_id=stored.lot.product_id,
        lot_number=stored.lot.lot_number,
        reason=stored.reason,
        performed_by=stored.requested_by,
    )
