"""The lines of documents as a service writes them. A product goes by SKU or id, a warehouse by name or id.

Units are whole numbers. They are checked when the document is sent, by the rules of its process: a line that is wrong
is an `InvalidRequest` whose message names the line and the field.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

Named = int | str
"""A product, warehouse or supplier: its id as an int, or its SKU or name as a str."""


@dataclass(frozen=True)
class LotLine:
    """Units of one lot.

    Attributes:
        lot_number: The lot, or the serial number.
        quantity: Units.
    """

    lot_number: str
    quantity: int = field(kw_only=True)


@dataclass(frozen=True)
class Line:
    """Units of a product: to reserve, ship, transfer, take back or adjust (lots: `ShelfLine`).

    Attributes:
        product_id: The product.
        warehouse_id: The warehouse, for a reservation; elsewhere the document has it.
        quantity: Units; negative only where an adjustment takes off.
        lots: Where units of a tracked product leave, or are lost: their lots; None: those that are held, or the only
            one in transit.
    """

    product_id: Named
    warehouse_id: Named | None = None
    quantity: int = field(kw_only=True)
    lots: Sequence[LotLine] | None = field(default=None, kw_only=True)


@dataclass(frozen=True, kw_only=True)
class OfLot:
    """What a line says of the lot of its units: of a tracked product, and of no other one.

    Attributes:
        lot_number: The lot, or the serial number.
        expires_on: The last day on which it may be used; None: it is known already, or the lot doesn't expire.
        best_before: The last day of its best quality.
        made_on: The day on which it was made.
    """

    lot_number: str | None = None
    expires_on: date | None = None
    best_before: date | None = None
    made_on: date | None = None


@dataclass(frozen=True)
class ShelfLine(OfLot):
    """Units of a product that an adjustment puts in or takes off, that go back to a supplier or come from a customer.

    Attributes:
        product_id: The product.
        quantity: Units; of an adjustment positive in, negative out.
    """

    product_id: Named
    quantity: int = field(kw_only=True)


@dataclass(frozen=True)
class OrderLine:
    """Units of a product that a supplier is to deliver.

    Attributes:
        product_id: The product.
        qty: Units.
        unit_cost: The cost of one unit.
        note: Why it is on the order.
    """

    product_id: Named
    qty: int = field(kw_only=True)
    unit_cost: Decimal = field(kw_only=True)
    note: str | None = field(default=None, kw_only=True)


@dataclass(frozen=True)
class _ReceivedLine:
    """Units of a product that have come.

    Attributes:
        product_id: The product.
        quantity: Units that enter stock.
        lot_number: Of a tracked product: the lot, or the serial number, of all of its units.
        expires_on: The last day on which that lot may be used; None: it is known, or the lot doesn't expire.
    """

    product_id: Named
    quantity: int = field(kw_only=True)
    lot_number: str | None = field(default=None, kw_only=True)
    expires_on: date | None = field(default=None, kw_only=True)


@dataclass(frozen=True)
class DeliveryLine(_ReceivedLine):
    """Units of a product in a supplier's delivery: ``quantity`` is accepted into stock.

    Attributes:
        rejected_quantity: Units on top of these that were not accepted; the supplier still owes them.
    """

    rejected_quantity: int = field(default=0, kw_only=True)


@dataclass(frozen=True)
class ArrivalLine(_ReceivedLine):
    """Units of a product that a transfer brought: ``quantity`` is fit and enters stock.

    Attributes:
        damaged_quantity: Units on top of these that arrived damaged.
    """

    damaged_quantity: int = field(default=0, kw_only=True)


@dataclass(frozen=True)
class InspectionLine(OfLot):
    """Units of a product that a customer sent back, after inspection; of a tracked one all of one lot.

    Restocked units name their lot; scrapped ones as well, unless it can't be read any more.

    Attributes:
        product_id: The product.
        restock_quantity: Units that are fit and go back into stock.
        scrap_quantity: Units on top of these that are scrapped.
    """

    product_id: Named
    restock_quantity: int = field(default=0, kw_only=True)
    scrap_quantity: int = field(default=0, kw_only=True)
