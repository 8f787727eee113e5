"""The lines of documents as a service writes them. A product goes by SKU or id, a warehouse by name or id.

Units are whole numbers. They are checked when the document is sent, by the rules of its process: a line that is wrong
is an `InvalidRequest` whose message names the line and the field.
"""

from dataclasses import dataclass, field
from decimal import Decimal

Named = int | str
"""A product, warehouse or supplier: its id as an int, or its SKU or name as a str."""


@dataclass(frozen=True)
class Line:
    """Units of a product: to reserve, ship, transfer, take back or adjust.

    Attributes:
        product_id: The product.
        warehouse_id: The warehouse, for a reservation; elsewhere the document has it.
        quantity: Units; negative only where an adjustment takes off.
    """

    product_id: Named
    warehouse_id: Named | None = None
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
    """

    product_id: Named
    quantity: int = field(kw_only=True)


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
class InspectionLine:
    """Units of a product that a customer sent back, after inspection.

    Attributes:
        product_id: The product.
        restock_quantity: Units that are fit and go back into stock.
        scrap_quantity: Units on top of these that are scrapped.
    """

    product_id: Named
    restock_quantity: int = field(default=0, kw_only=True)
    scrap_quantity: int = field(default=0, kw_only=True)
