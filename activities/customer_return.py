"""The steps of a customer return: lock, decide, write, answer.

A step locks the return's row first, then the items that goods go back to. `stockkeeper.domain.customer_return` decides,
`database.customer_return` reads and writes.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection
from temporalio import activity

from activities.catalogue import require_items
from activities.customer_return_lots import (
    found_of,
    has_expired,
    made_of,
    moving_of,
    named_lots,
    require_lots_named,
    require_plausible,
    restocked_lots,
    scrapped_lots,
)
from activities.differences import WithGoods, require_difference_approved, store_difference_approval
from activities.opened_inspections import number_of, open_inspection
from activities.writes import UNCHANGED, Effect, columns_of, document_once, require_same
from database.arriving_lots import require_as_known, require_named, take_in
from database.customer_return import (
    INSPECTIONS,
    RETURN,
    insert_lots_found,
    lock_return,
    lock_returns_of_order,
    lots_booked,
    order_balance,
    order_balance_of_lots,
    read_return,
)
from database.differences import read_difference_approvals
from database.document import close_document, insert_document, is_stored
from database.goods import arriving_items, put_into_stock
from database.locked_stock import LockedStock
from database.operations import Operation
from database.receipts import booked, insert_receipt
from database.stock_reading import Wants, locked_stock
from database.stock_rows import Moving
from database.worth import worth_of_products
from stockkeeper.contracts.customer_return import (
    ApproveReturnDifferenceStep,
    CloseReturnStep,
    InspectReturnStep,
    RegisterReturnStep,
    ReturnActivities,
    ReturnLine,
    ReturnRequest,
    ReturnState,
    ReturnStep,
    StoredReturn,
)
from stockkeeper.contracts.difference import APPROVE_DIFFERENCE
from stockkeeper.contracts.messages import InspectingAnswer, StockAnswer, counted, state_of
from stockkeeper.contracts.opened_inspection import OpenedInspection
from stockkeeper.contracts.receipt import RECEIPTS_SHOWN
from stockkeeper.domain.conflicts import already_exists, done_differently
from stockkeeper.domain.customer_return import CustomerReturn, ReturnedUnits, ReturnEvent, ReturnStatus, of_lines
from stockkeeper.domain.difference import Balance
from stockkeeper.domain.inspection import DamagedGoods
from stockkeeper.domain.lot import StockState
from stockkeeper.domain.receipt import Delivered, Taken, delivered_by_product
from stockkeeper.domain.stock import ItemKey, MovementType

_OF_LOT = ("lot_number", "expires_on", "best_before", "made_on")
"""The fields of a line that say which lot it is of."""


class ReturnSteps(WithGoods, ReturnActivities):
    """`ReturnActivities` on PostgreSQL; above the limit, restocking unshipped units takes two people."""

    @activity.defn(name="register_return", no_thread_cancel_exception=True)
    def register_return(self, step: RegisterReturnStep) -> StoredReturn:
        """Store the goods that are expected back. No stock changes; products that aren't sold any more are accepted.

        Locks: nothing; the return's number is unique. Operation: ``{workflow}/register``.

        Raises:
            UnknownWarehouse, UnknownProduct: The catalogue hasn't got one of those named.
            OperationConflict: A return with this number and other contents exists.
        """
        return self._once(step, lambda connection, operation: _register(connection, operation, step))

    @activity.defn(name="inspect_return", no_thread_cancel_exception=True)
    def inspect_return(self, step: InspectReturnStep) -> StoredReturn:
        """Book fit goods into stock by a RETURN movement for each line, and record scrapped ones.

        By the settings fit ones wait for an inspection, and one brings unfit ones into stock, where they are DAMAGED.

        Items that the warehouse never stocked are created. With the last expected unit the return is INSPECTED.

        What the returns of an order put into stock is compared with what the order has shipped, lot by lot where it has
        shipped lots. An order that isn't known has shipped nothing. A lot that has expired goes into quarantine, with
        an inspection that answers for it.

        Locks: the returns of the same order, then the lots that come, then the items. Operation:
        ``{workflow}/inspect/{inspection_id}``.

        Raises:
            InvalidState: Nothing is expected any more.
            InvalidRequest: A product isn't on the return, more was found than is expected, or a lot is missing, isn't
                wanted, or isn't as it is known. Nothing is booked.
            OperationConflict: An inspection with this id and other quantities was booked.
            NotPermitted: More is restocked than was shipped, above the limit, and no other person has approved that.
        """

        def effect(connection: Connection, operation: Operation) -> InspectingAnswer | None:
            lock_returns_of_order(connection, step.return_number)
            returned = lock_return(connection, step.return_number)
            found = found_of(step.lines)
            by_product = delivered_by_product(Delivered(what.product_id, *units) for what, units in found.items())
            if earlier := booked(connection, INSPECTIONS, returned.return_id, step.inspection_id):
                another = done_differently("inspect", step.inspection_id, "return", step.return_number)
                of_lots = {what: units for what, units in found.items() if what.lot_number is not None}
                before = earlier, lots_booked(connection, returned.return_id, step.inspection_id)
                require_same(before, (by_product, of_lots), otherwise=another)
                return UNCHANGED
            taken = returned.plan_inspection(found)
            status = returned.after_inspection(taken)
            tracking = require_lots_named(connection, returned.warehouse_id, step.lines)
            balances = self._require_approved(connection, operation, returned, found, step.as_of)
            key, number = returned.return_id, returned.return_number
            shares = of_lines(taken)
            insert_receipt(connection, operation, INSPECTIONS, key, step.inspection_id, shares, step.took_place_at)
            insert_lots_found(connection, key, step.inspection_id, taken)
            units = {line_number: share.accepted for line_number, share in shares.items()}
            arriving = arriving_items(returned.warehouse_id, returned.lines, units)
            lots, scrapped = restocked_lots(step.lines), scrapped_lots(returned.warehouse_id, step.lines)
            restocked, unfit = moving_of(returned.warehouse_id, found)
            if self._goods.damaged is not DamagedGoods.INSPECT:
                unfit = []
            wants = Wants(
                items=[each.item for each in scrapped],
                arriving=[*arriving, *(each.item for each in unfit)],
                lots=[(what.product_id, what.lot_number) for what in found if what.lot_number is not None],
                moves=bool(arriving or unfit),
                as_of=step.as_of,
            )
            with locked_stock(connection, wants, operation) as stock:
                require_plausible(stock, returned, found, balances)
                # Together: a serial number that is restocked on one line and scrapped on another is of one unit.
                require_as_known(stock, named_lots(returned.warehouse_id, step.lines), tracking)
                put_into_stock(
                    stock,
                    operation,
                    MovementType.RETURN,
                    returned.warehouse_id,
                    returned.lines,
                    units,
                    reference_id=number,
                    reason=f"inspection {step.inspection_id} of return {number}, order {returned.reference_id}",
                    lots=lots,
                )
                # One whose number can't be read any more can't come onto the books.
                unfit = [each for each in unfit if each.lot_number or not stock.items[each.item].is_tracked]
                if unfit:
                    take_in(stock, operation, scrapped, receipt=number)
                opened = self._open_inspections(stock, operation, returned, step, restocked, unfit)
            if status is ReturnStatus.INSPECTED:
                close_document(connection, operation, RETURN, key, status, step.as_of)
            return InspectingAnswer(opened_inspections=opened) if opened else None

        return self._once(step, effect)

    def _open_inspections(
        self,
        stock: LockedStock,
        operation: Operation,
        returned: CustomerReturn,
        step: InspectReturnStep,
        restocked: Sequence[Moving],
        unfit: Sequence[Moving],
    ) -> list[OpenedInspection]:
        """Set aside returned units that wait for an inspection, and open the inspections that answer for them.

        Args:
            stock: The stock, to which restocked units have come.
            operation: The step's operation.
            returned: The return.
            step: The step.
            restocked: Units that were found fit.
            unfit: Units that were found unfit and are brought onto the books all the same.
        """
        of = f"inspection {step.inspection_id} of return {returned.return_number}"
        wait = self._goods.returned.state
        expired = [each for each in restocked if wait is StockState.QUARANTINE or has_expired(stock, each)]
        others = [each for each in restocked if each not in expired] if wait else []
        found = [
            (StockState.QUARANTINE, expired, "to be inspected" if wait is StockState.QUARANTINE else "expired", ()),
            (wait or StockState.QUARANTINE, others, "to be inspected", ()),
            (StockState.DAMAGED, unfit, "unfit", ("damaged",)),
        ]
        return [
            open_inspection(
                stock,
                operation,
                self._limits,
                units,
                number=number_of(returned.return_number, step.inspection_id, *more),
                warehouse_id=returned.warehouse_id,
                state=state,
                reason=f"{of}: {why}",
                as_of=step.as_of,
                brings=state is StockState.DAMAGED,
            )
            for state, units, why, more in found
            if units
        ]

    @activity.defn(name="approve_return_difference", no_thread_cancel_exception=True)
    def approve_return_difference(self, step: ApproveReturnDifferenceStep) -> StoredReturn:
        """Store an approval of units restocked that the order never shipped. Another person may book them then.

        Locks: the return. Operation: ``{workflow}/approve_difference/{command}``.

        Raises:
            InvalidState: Nothing is expected any more.
        """

        def effect(connection: Connection, operation: Operation) -> None:
            returned = lock_return(connection, step.return_number)
            returned.after(ReturnEvent.INSPECT, APPROVE_DIFFERENCE.name)
            store_difference_approval(connection, operation, RETURN, returned.return_number, step, step.as_of)

        return self._once(step, effect)

    @activity.defn(name="close_return", no_thread_cancel_exception=True)
    def close_return(self, step: CloseReturnStep) -> StoredReturn:
        """Close a return of which not everything came. No stock changes: the missing units stay sold.

        Locks: the return. Operation: ``{workflow}/close_short/{command}``.

        Raises:
            InvalidState: Nothing is expected any more.
        """

        def effect(connection: Connection, operation: Operation) -> None:
            returned = lock_return(connection, step.return_number)
            status = returned.after_close_short()
            close_document(connection, operation, RETURN, returned.return_id, status, step.as_of, reason=step.reason)

        return self._once(step, effect)

    def _require_approved(
        self,
        connection: Connection,
        operation: Operation,
        returned: CustomerReturn,
        found: Mapping[ReturnedUnits, Taken],
        as_of: datetime,
    ) -> Mapping[ReturnedUnits, Balance]:
        """Refuse to restock more than the order has shipped, above the limit and without another's approval.

        Returns:
            What the order has shipped and got back before of each lot; nothing, if no lot was found.
        """
        balance = order_balance(connection, returned.reference_id)
        has_lots = any(what.lot_number is not None for what in found)
        of_lots = order_balance_of_lots(connection, returned.reference_id) if has_lots else {}
        by_now = {ReturnedUnits(product_id): units for product_id, units in balance.items()} | of_lots
        before = dict(by_now)
        for what, units in found.items():
            for each in {what, ReturnedUnits(what.product_id)}:
                by_now[each] = by_now.get(each, Balance()).with_found(*units)
        products = {line.product_id for line in returned.lines}
        made = {product_id: made_of(by_now, product_id) for product_id in products}
        if not any(units > made_of(before, product_id) for product_id, units in made.items()):
            return of_lots
        restocked = f"{counted(sum(made.values()), 'unit')} restocked that order {returned.reference_id} hasn't shipped"
        worth = worth_of_products(connection, {product_id: units for product_id, units in made.items() if units})
        require_difference_approved(
            connection, operation, RETURN, returned.return_number, restocked, worth, self._limit, as_of
        )
        return of_lots

    def _once(self, step: ReturnStep, effect: Effect) -> StoredReturn:
        return document_once(
            self._database, step, StoredReturn, effect, lambda connection: _stored(connection, step.return_number)
        )


def _register(connection: Connection, operation: Operation, step: RegisterReturnStep) -> StockAnswer | None:
    if is_stored(connection, RETURN, step.return_number):
        stored = _stored(connection, step.return_number)
        another = already_exists("return", step.return_number)
        require_same(_contents(stored), _contents(step), otherwise=another)
        return UNCHANGED
    require_items(connection, {ItemKey(step.warehouse_id, line.product_id) for line in step.lines}, sold=False)
    named = [(ItemKey(step.warehouse_id, line.product_id), line.lot, line.quantity) for line in step.lines if line.lot]
    require_named(connection, named, what="expected")
    lines = [
        {"product_id": line.product_id, "quantity": line.quantity} | {name: getattr(line, name) for name in _OF_LOT}
        for line in step.lines
    ]
    header = {**columns_of(step, RETURN), "requested_by": step.performed_by}
    insert_document(connection, operation, RETURN, lines, status=ReturnStatus.EXPECTED, **header)
    return None


def _contents(returned: StoredReturn | RegisterReturnStep) -> object:
    """What two starts under one number must have in common to be the same return; not who sends it."""
    lines = [(line.product_id, line.quantity, *(getattr(line, name) for name in _OF_LOT)) for line in returned.lines]
    return returned.warehouse_id, returned.reference_id, lines


def show(connection: Connection, return_number: str, _as_of: datetime) -> ReturnState | None:
    """The state of a return, for `activities.documents`; None: nothing is stored by that number."""
    if not is_stored(connection, RETURN, return_number):
        return None
    return state_of(ReturnState, _stored(connection, return_number))


def _stored(connection: Connection, return_number: str) -> StoredReturn:
    """The return as it is in this transaction."""
    returned = read_return(connection, return_number, inspections=RECEIPTS_SHOWN)
    approvals = read_difference_approvals(connection, RETURN, return_number)
    return StoredReturn.model_validate(returned | {"difference_approvals": approvals})


def start_again(connection: Connection, number: str, _as_of: datetime, _person: str) -> ReturnRequest:
    """The start of another run for a stored return: `devstack.restore`."""
    stored = _stored(connection, number)
    return ReturnRequest(
        return_number=number,
        warehouse_id=stored.warehouse_id,
        reference_id=stored.reference_id,
        lines=[
            ReturnLine(
                product_id=line.product_id,
                quantity=line.quantity,
                lot_number=line.lot_number,
                expires_on=line.expires_on,
                best_before=line.best_before,
                made_on=line.made_on,
            )
            for line in stored.lines
        ],
        performed_by=stored.requested_by,
    )
