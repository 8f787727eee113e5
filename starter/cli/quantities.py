"""Quantities as people type them, in base units or in packs: ``50``, ``5 cases``, ``1.25kg``.

They are read in two steps: first what can be told from the text, so that a slip is found before any server is asked;
then, only where a unit was typed, by the product's own units, which are asked for in one question. Workflows get base
units alone.
"""

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import NamedTuple, TypeVar

from rich.markup import escape

from starter.cli.output import err
from stockkeeper.client.lines import Line, LotLine, ShelfLine
from stockkeeper.client.stockkeeper import Stockkeeper
from stockkeeper.contracts.errors import InvalidRequest
from stockkeeper.contracts.unit import ProductUnits, is_quantity

T = TypeVar("T")

_WHOLE = "must be whole units, without dots or commas"
_POINT = "has a comma: write a decimal point, as in 1.25kg, and nothing between thousands"
COST_PLACES = 6
"""Decimal places of a unit cost."""

Typed = int | str
"""Base units, or a text with units, which only the product's packs can tell."""


class TypedLine(NamedTuple):
    """A line as it was typed.

    Attributes:
        product: SKU or ``id:7``.
        quantity: How many.
        warehouse: The warehouse; None: any, or the document's.
        unit_cost: The cost as it was typed, with the unit that it is of; None: as agreed.
        where: How a message calls the line.
        lot_number: The lot that all of its units are of; None: none is named.
        expires_on: The day on which that lot expires, if it was typed.
    """

    product: str
    quantity: Typed
    warehouse: str | None = None
    unit_cost: str | None = None
    where: str = ""
    lot_number: str | None = None
    expires_on: str | None = None


class Resolved(NamedTuple):
    """A line in base units; its cost is of one of these."""

    product: str
    quantity: int
    warehouse: str | None
    unit_cost: str | None
    lot_number: str | None
    expires_on: str | None

    @property
    def line(self) -> Line:
        """The line of a document."""
        lots = None if self.lot_number is None else [LotLine(self.lot_number, quantity=self.quantity)]
        return Line(self.product, self.warehouse, quantity=self.quantity, lots=lots)


def read_quantity(text: str, where: str, example: str, *, signed: bool = False) -> Typed:
    """A typed quantity. Of plain units neither a point nor a comma says whether 1.000 is one or a thousand.

    Args:
        text: The quantity.
        where: How a message calls it.
        example: What a message gives as an example.
        signed: Whether it may go out as well, as ``-3``.

    Raises:
        InvalidRequest: It is neither a whole number nor may it have a unit.
    """
    if is_whole(text, signed=signed):
        return int(text)
    if is_quantity(text, signed=signed):
        return text.strip()
    if is_quantity(text.replace(",", "."), signed=signed):
        raise InvalidRequest(f"{where}: {text!r} {_POINT}")
    wrong = "must not be negative" if is_whole(text, signed=True) or is_quantity(text, signed=True) else _WHOLE
    raise InvalidRequest(f"{where}: {text!r} {wrong}, such as {example}")


def is_whole(text: str, *, signed: bool = False) -> bool:
    """Whether a text is a whole number of units."""
    digits = text[1:] if signed and text[:1] in {"-", "+"} else text
    return digits.isascii() and digits.isdecimal()


async def in_base_units(
    stock: Stockkeeper, lines: Sequence[TypedLine], supplier: int | str | None = None, *, signed: bool = False
) -> list[Resolved]:
    """Lines in base units; what was typed in packs is shown back. Nothing is asked where none has a unit.

    Args:
        stock: The client.
        lines: The lines.
        supplier: The supplier whose packs come before the house's: id or name.
        signed: Whether quantities may be negative.

    Raises:
        InvalidRequest: A product has no such unit, or it isn't whole in the base unit, or its cost isn't exact.
        UnknownProduct, UnknownSupplier: Nothing has that name.
        Unreachable: No worker answers.
    """
    units = await _units(stock, lines, supplier)
    return [_resolved(each, units.get(each.product), signed=signed) for each in lines]


async def document_lines(stock: Stockkeeper, lines: Sequence[TypedLine], *, signed: bool = False) -> list[Line]:
    """The lines of a document in base units; raises as `in_base_units`."""
    return [each.line for each in await in_base_units(stock, lines, signed=signed)]


async def quantity_of(stock: Stockkeeper, product: str, typed: Typed, where: str) -> int:
    """One typed quantity of a product in base units; raises as `in_base_units`."""
    [resolved] = await in_base_units(stock, [TypedLine(product, typed, where=where)])
    return resolved.quantity


async def shelf_lines(stock: Stockkeeper, lines: Sequence[TypedLine], *, signed: bool = False) -> list[ShelfLine]:
    """The lines of a document in base units, each with its lot; raises as `in_base_units`."""
    return [
        ShelfLine(
            each.product,
            quantity=each.quantity,
            lot_number=each.lot_number,
            expires_on=None if each.expires_on is None else date.fromisoformat(each.expires_on),
        )
        for each in await in_base_units(stock, lines, signed=signed)
    ]


async def _units(stock: Stockkeeper, lines: Iterable[TypedLine], supplier: int | str | None) -> dict[str, ProductUnits]:
    products = {each.product for each in lines if isinstance(each.quantity, str) or "/" in (each.unit_cost or "")}
    if not products:
        return {}
    by_name = [supplier] if isinstance(supplier, str) else []
    found = await stock.ids(products, suppliers=by_name, units=True)
    supplier_id = found.suppliers[supplier] if isinstance(supplier, str) else supplier
    return {sku: found.units_of(product_id, supplier_id) for sku, product_id in found.products.items()}


def _resolved(line: TypedLine, units: ProductUnits | None, *, signed: bool) -> Resolved:
    if units is None:
        return Resolved(
            line.product, int(line.quantity), line.warehouse, line.unit_cost, line.lot_number, line.expires_on
        )
    try:
        quantity = line.quantity
        if isinstance(quantity, str):
            err.print(f"{escape(line.product)}: {escape(units.explained(quantity, signed=signed))}", style="dim")
            quantity = units.parse(quantity, signed=signed)
        cost = None if line.unit_cost is None else _cost_of_one(line, units)
    except InvalidRequest as error:
        raise InvalidRequest(f"{line.where or line.product}: {error.message}", error.details) from None
    return Resolved(line.product, quantity, line.warehouse, cost, line.lot_number, line.expires_on)


def _cost_of_one(line: TypedLine, units: ProductUnits) -> str:
    """The cost of a base unit, of one that says what it is of: ``57.60/case``.

    Raises:
        InvalidRequest: It doesn't say so though the line is in packs, or it has no exact cost of one.
    """
    amount, slash, of = (line.unit_cost or "").partition("/")
    if not slash:
        raise InvalidRequest(f"say what {amount} is the cost of: {amount}/case, or {amount}/{units.base_unit.lower()}")
    try:
        exact = Fraction(amount) / units.factor(of.strip())
    except ValueError:
        raise InvalidRequest(f"{amount!r} is no cost, such as 57.60/case") from None
    with localcontext() as context:
        context.prec = 50
        cost = Decimal(exact.numerator) / Decimal(exact.denominator)
        rounded = round(cost, COST_PLACES)
    if Fraction(rounded) != exact:
        raise InvalidRequest(
            f"{line.unit_cost} is no exact cost of one in {COST_PLACES} decimal places; give {rounded:f}, or another"
        )
    return f"{rounded.normalize():f}"
