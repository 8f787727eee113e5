"""The form of a scene, and the shop that plays it.

A scene is a generator: its docstring is its title, and it yields each outcome beside the one expected.
"""

import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from stockkeeper import ArrivalLine, DeliveryLine, Line, OrderLine, Stockkeeper
from stockkeeper.contracts.stock import FoundItems


@dataclass(frozen=True)
class Scene:
    """One check of the demo: its title, the expected text and the text seen."""

    title: str
    expected: str
    seen: str

    @property
    def came_out_right(self) -> bool:
        """Whether the text seen is the expected one."""
        return self.seen == self.expected


class Shop:
    """A service that sells from the sample's stock, buys for it, and moves it."""

    def __init__(self, stock: Stockkeeper, found: FoundItems) -> None:
        self.stock = stock
        self._products = found.products
        self.warehouses = found.warehouses
        self.suppliers = found.suppliers

    def line(self, sku: str, quantity: int, warehouse: str = "Hamburg") -> Line:
        """A line by the names of the sample."""
        return Line(product_id=self._products[sku], warehouse_id=self.warehouses[warehouse], quantity=quantity)

    def part(self, sku: str, quantity: int) -> Line:
        """A part of a shipment."""
        return Line(product_id=self._products[sku], quantity=quantity)

    def wanted(self, sku: str, qty: int, unit_cost: str) -> OrderLine:
        """A line of a purchase order."""
        return OrderLine(product_id=self._products[sku], qty=qty, unit_cost=Decimal(unit_cost))

    def came(self, sku: str, quantity: int, rejected: int = 0) -> DeliveryLine:
        """A line of a receipt."""
        return DeliveryLine(product_id=self._products[sku], quantity=quantity, rejected_quantity=rejected)

    def moved(self, sku: str, quantity: int) -> Line:
        """A line of a transfer."""
        return Line(product_id=self._products[sku], quantity=quantity)

    def adjusted(self, sku: str, quantity: int) -> Line:
        """A line of an adjustment."""
        return Line(product_id=self._products[sku], quantity=quantity)

    def arrived(self, sku: str, quantity: int, damaged: int = 0) -> ArrivalLine:
        """A line of a receipt of one."""
        return ArrivalLine(product_id=self._products[sku], quantity=quantity, damaged_quantity=damaged)

    async def imports(self, kind: str, lines: Sequence[str]) -> None:
        """Import a file of these lines, the first of which is its header."""
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / f"{kind}.csv"
            path.write_text("\n".join(lines))
            await self.stock.import_file(kind, path, performed_by="demo")

    async def in_all(self, sku: str) -> str:
        """Units on hand in all warehouses, in words."""
        units = [level.quantity_on_hand async for level in self.stock.levels(sku)]
        return f"{sum(units)} in all"

    async def in_transit(self, sku: str) -> str:
        """Units in transit, in words."""
        units = [line.quantity async for line in self.stock.in_transit(product=sku)]
        return f"{sum(units)} in transit"

    async def level(self, sku: str, warehouse: str = "Hamburg") -> str:
        """On hand and reserved of an item, in words."""
        async for level in self.stock.levels(product=sku, warehouse=warehouse):
            return f"{level.quantity_on_hand} on hand, {level.quantity_reserved} reserved"
        return "never stocked"


Sight = AsyncIterator[tuple[str, str]]
"""The outcomes of a scene, one after the other: each as expected, and as seen."""
Play = Callable[[Shop], Sight]


def title_of(play: Play) -> str:
    """The title of a scene, which is its docstring."""
    return (play.__doc__ or "").strip().rstrip(".")


async def played(play: Play, shop: Shop) -> Scene:
    """Play a scene to its end."""
    outcomes = [outcome async for outcome in play(shop)]
    return Scene(title_of(play), *("; ".join(part) for part in zip(*outcomes, strict=True)))
