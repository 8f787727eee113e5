"""Documents that commands are sent to: how one of each kind is opened, and how far it has come then."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from stockkeeper.domain.stock import ItemKey
from tests.support.adjustment import adjustment, changed
from tests.support.customer_return import expected, sold
from tests.support.cycle_count import count, counted
from tests.support.inspection import aside, inspection
from tests.support.purchase_order import came, draft, receipt, wanted
from tests.support.recall import recalled
from tests.support.reservation import request
from tests.support.transfer import arrival, arrived, moved, transfer
from tests.support.wire import Json

Commands = Sequence[tuple[str, Json]]


@dataclass(frozen=True)
class Stock:
    """A lane's own stock.

    Attributes:
        warehouses: Two warehouses.
        products: Four products, which both warehouses have; the last one is tracked by lot.
        lots: Lots of that one which nobody else recalls.
        supplier: Who supplies them.
        task_queue: Where the workers of their database are.
    """

    warehouses: tuple[int, int]
    products: tuple[int, int, int, int]
    lots: Iterator[str]
    supplier: int
    task_queue: str

    def item(self, place: int) -> ItemKey:
        """A product in the first warehouse."""
        return ItemKey(self.warehouses[0], self.products[place])


Opening = tuple[Json, Commands]
"""The start, and the commands that follow it."""


def _reservation(number: str, stock: Stock, stage: int) -> Opening:
    held = (stock.item(0), 4), (stock.item(1), 3)
    if stage == 0:
        return request(number, *held), []
    if stage == 1:
        part = {"performed_by": "picker", "lines": [{**stock.item(0)._asdict(), "quantity": 1}], "fulfillment_id": "p"}
        return request(number, *held, ttl_minutes=600), [("fulfill", part)]
    return request(number, (stock.item(2), 1_000_000), wait_minutes=600), []


def _order_in_parts(number: str, stock: Stock, stage: int) -> Opening:
    part = {
        "task_queue": stock.task_queue,
        "lines": [{**stock.item(place)._asdict(), "quantity": 3} for place in (0, 1)],
    }
    start = {"reference_id": number, "parts": [part], "ttl_minutes": 600, "performed_by": "shop"}
    parcel = {"performed_by": "picker", "lines": [{**stock.item(0)._asdict(), "quantity": 1}], "fulfillment_id": "p"}
    return start, [("fulfill", parcel)] if stage else []


def _purchase_order(number: str, stock: Stock, stage: int) -> Opening:
    lines = [wanted(stock.item(0), 10), wanted(stock.item(1), 5, "12.50")]
    policy = {"remind_after_hours": 24, "escalate_after_hours": 48, "cancel_after_hours": 96}
    tiers = [{"up_to": None, "approvals": 2 if stage == 0 else 0}]
    start = draft(number, stock.supplier, stock.warehouses[0], *lines, approval={"tiers": tiers, **policy})
    return start, [("receive", receipt("first", came(stock.item(0), 4, 1)))] if stage == 2 else []


def _transfer(number: str, stock: Stock, stage: int) -> Opening:
    start = transfer(number, *stock.warehouses, moved(stock.item(0), 6), moved(stock.item(1), 2))
    sent = ("dispatch", {"performed_by": "sid"})
    part = ("receive", arrival("first", arrived(stock.item(0), 2, 1)))
    return start, [sent, part][:stage]


def _count(number: str, stock: Stock, stage: int) -> Opening:
    seen = [("record", counted(stock.item(0), 1)), ("record", counted(stock.item(0), 1, "bob"))]
    return count(number, stock.warehouses[0], *stock.products[:2]), seen[:stage]


def _return(number: str, stock: Stock, stage: int) -> Opening:
    seen = {"performed_by": "ines", "lines": [{"product_id": stock.products[0], "restock_quantity": 1}]}
    start = expected(number, stock.warehouses[0], sold(stock.item(0), 5), sold(stock.item(1), 2))
    return start, [("inspect", seen)] if stage else []


def _adjustment(number: str, stock: Stock, stage: int) -> Opening:
    # A product without a cost: its value isn't known, so that somebody has to approve.
    lines = [changed(stock.item(0), 5_000 + stage)]
    return adjustment(number, stock.warehouses[0], *lines), []


def _inspection(number: str, stock: Stock, stage: int) -> Opening:
    part = {"performed_by": "ann", "lines": [aside(stock.item(0), 1)], "decision_id": "first"}
    start = inspection(number, stock.warehouses[0], aside(stock.item(0), 3), aside(stock.item(1), 1))
    return start, [("release", part)][:stage]


def _recall(number: str, stock: Stock, stage: int) -> Opening:
    # Of each lot there is one recall at a time; one that isn't known is refused, as all are once the lots are used up.
    del stage
    return recalled(number, stock.item(3), next(stock.lots, "none is left")), []


def _import(number: str, stock: Stock, stage: int) -> Opening:
    del stock
    kind, _, digest = number.partition("-")
    start = {"kind": kind, "file_name": "products.csv", "digest": digest, "columns": ["sku", "name"]}
    del stage
    return start | {"performed_by": "imre"}, []


OPENINGS: Mapping[str, Callable[[str, Stock, int], Opening]] = {
    "ReservationWorkflow": _reservation,
    "OrderInPartsWorkflow": _order_in_parts,
    "PurchaseOrderWorkflow": _purchase_order,
    "TransferWorkflow": _transfer,
    "CycleCountWorkflow": _count,
    "ReturnWorkflow": _return,
    "AdjustmentWorkflow": _adjustment,
    "InspectionWorkflow": _inspection,
    "RecallWorkflow": _recall,
    "ImportWorkflow": _import,
}
"""How a document of each kind is opened, of which a number and a stage are given."""
