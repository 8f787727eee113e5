"""Customer returns: expected, inspected in parts, closed short, as the contract says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import ClassVar

from tests.faults.simulation.model.books import Key
from tests.faults.simulation.model.document import (
    Approved,
    Document,
    Json,
    No,
    by_product,
    fill_twice,
    lines_of,
    require_two_people,
    wrong_state,
)


@dataclass
class Line:
    """Units of a product that are expected back."""

    product: int
    quantity: int
    restocked: int = 0
    scrapped: int = 0

    @property
    def expected(self) -> int:
        """Units that haven't been inspected."""
        return self.quantity - self.restocked - self.scrapped


@dataclass
class Sold:
    """An order that goods come back from: what it has shipped, and what its returns have brought, by product."""

    shipped: dict[int, int] = field(default_factory=dict)
    restocked: dict[int, int] = field(default_factory=dict)
    came_back: dict[int, int] = field(default_factory=dict)

    def made(self, product: int, restocked: int = 0, scrapped: int = 0) -> int:
        """Units in stock that it never shipped, with these as well."""
        came_back = self.came_back.get(product, 0) + restocked + scrapped
        beyond = max(came_back - self.shipped.get(product, 0), 0)
        return min(self.restocked.get(product, 0) + restocked, beyond)

    def add(self, product: int, restocked: int, scrapped: int) -> None:
        """These have come back."""
        self.restocked[product] = self.restocked.get(product, 0) + restocked
        self.came_back[product] = self.came_back.get(product, 0) + restocked + scrapped


@dataclass
class CustomerReturn(Document):
    """A customer return."""

    kind: ClassVar[str] = "ReturnWorkflow"
    prefix: ClassVar[str] = "return-"
    number_field: ClassVar[str] = "return_number"
    final: ClassVar[Sequence[str]] = ("INSPECTED", "CANCELLED")

    sold: Sold
    status: str = "EXPECTED"
    lines: list[Line] = field(default_factory=list)
    inspections: dict[str, Json] = field(default_factory=dict)
    differences: list[Approved] = field(default_factory=list)

    def begins(self) -> None:
        """The goods are expected."""
        self.lines = [Line(line["product_id"], line["quantity"]) for line in self.start["lines"]]

    # Commands.

    def inspect(self, sent: Json, key: str) -> None:
        """Fit units enter stock, the others are scrapped."""
        name = sent.get("inspection_id") or key
        found = by_product(sent["lines"], "restock_quantity", "scrap_quantity")
        if name in self.inspections:
            if self.inspections[name] != sent["lines"]:
                raise No("OperationConflict")
            return
        self._require_expected("inspect")
        fit, scrapped = self._share(found)
        self._require_shipped(found, sent["performed_by"])
        for line, accepted, waste in zip(self.lines, fit, scrapped, strict=True):
            line.restocked += accepted
            line.scrapped += waste
            if accepted:
                self.move("RETURN", Key(self.start["warehouse_id"], line.product), accepted, f"inspect/{name}")
        for product, (units, unfit) in found.items():
            self.sold.add(product, units, unfit)
        if name:
            self.inspections[name] = sent["lines"]
        if not any(line.expected for line in self.lines):
            self.status = "INSPECTED"

    def _share(self, found: Mapping[int, Sequence[int]]) -> tuple[list[int], list[int]]:
        """Fit and scrapped units of each line."""
        fit, scrapped = [0] * len(self.lines), [0] * len(self.lines)
        for product, (units, unfit) in found.items():
            its = lines_of([line.product for line in self.lines], product)
            room = [self.lines[index].expected for index in its]
            if units + unfit > sum(room):
                numbers = {"product_id": product, "quantity": units + unfit, "expected": sum(room)}
                raise No("InvalidRequest", numbers)
            for index, accepted, waste in zip(its, *fill_twice(room, units, unfit), strict=True):
                fit[index], scrapped[index] = accepted, waste
        return fit, scrapped

    def _require_shipped(self, found: Mapping[int, Sequence[int]], by: str) -> None:
        """More than the order has shipped is stock without a counterpart."""
        products = sorted({line.product for line in self.lines})
        made = {product: self.sold.made(product, *found.get(product, (0, 0))) for product in products}
        if any(units > self.sold.made(product) for product, units in made.items()):
            worth = [(units, self.cost(product)) for product, units in made.items() if units]
            require_two_people(worth, by, self.differences)

    def approve_difference(self, sent: Json, _key: str) -> None:
        """Another person allows more than was shipped, up to a worth in all."""
        self._require_expected("approve_difference")
        self.differences.append((sent["approver"], Decimal(sent["value"]), sent.get("unvalued_units", 0)))

    def close_short(self, _sent: Json, _key: str) -> None:
        """The rest isn't expected any more."""
        self._require_expected("close_short")
        has_come = any(line.restocked or line.scrapped for line in self.lines)
        self.status = "INSPECTED" if has_come else "CANCELLED"

    def give_up(self) -> None:
        """See `Document`."""
        self.close_short({}, "")

    def _require_expected(self, command: str) -> None:
        if self.status != "EXPECTED":
            raise wrong_state(self.status, command)

    def state(self) -> Json:
        """See `Document`."""
        return {
            "return_number": self.number,
            "warehouse_id": self.start["warehouse_id"],
            "reference_id": self.start["reference_id"],
            "status": self.status,
            "lines": [
                {
                    "product_id": line.product,
                    "quantity": line.quantity,
                    "restocked": line.restocked,
                    "scrapped": line.scrapped,
                }
                for line in self.lines
            ],
        }
