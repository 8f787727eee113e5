"""Questions about stock: the ids behind names, terms of suppliers, levels, and units in transit.

They are asked as activities of their own, without a workflow: nothing changes, and nothing is left to watch.
"""

from collections.abc import Sequence
from typing import Annotated, Protocol

from pydantic import BaseModel, Field
from temporalio import activity

from stockkeeper.contracts.messages import MAX_LINES, Id, Message, Money, Page, State, Timestamp
from stockkeeper.contracts.unit import BaseUnit, KnownPack, PackFound, ProductUnits, units_for
from stockkeeper.domain.errors import InsufficientStock, Shortage
from stockkeeper.domain.sourcing import DEFAULT_PRIORITY as DEFAULT_PRIORITY  # noqa: PLC0414 - part of the contract

LEVELS_AT_ONCE = 1_000
IN_TRANSIT_AT_ONCE = 1_000

Name = Annotated[str, Field(min_length=1, max_length=200)]


class FindItems(Message):
    """Names, to find their ids, and ids, to find their names.

    A product goes by its SKU or its id, a warehouse and a supplier by their names or ids. Upper and lower case make no
    difference where only one has that name.
    """

    products: list[Name] = Field(default_factory=list, max_length=MAX_LINES)
    warehouses: list[Name] = Field(default_factory=list, max_length=MAX_LINES)
    suppliers: list[Name] = Field(default_factory=list, max_length=MAX_LINES)
    product_ids: list[Id] = Field(default_factory=list, max_length=MAX_LINES)
    warehouse_ids: list[Id] = Field(default_factory=list, max_length=MAX_LINES)
    supplier_ids: list[Id] = Field(default_factory=list, max_length=MAX_LINES)
    exact: bool = Field(
        default=False,
        description="Whether a product goes by its SKU alone; then a number is no id, and an id is written ``id:7``.",
    )
    units: bool = Field(
        default=False, description="Whether the base units and packs of these products are wanted as well."
    )


class FoundItems(BaseModel):
    """The ids of the names, and the names of the ids; unknown ids are left out."""

    products: dict[str, int]
    warehouses: dict[str, int]
    suppliers: dict[str, int] = Field(default_factory=dict)
    skus: dict[int, str]
    product_names: dict[int, str] = Field(default_factory=dict)
    warehouse_names: dict[int, str]
    timezones: dict[int, str] = Field(default_factory=dict, description="Timezone of each of these warehouses, by id.")
    priorities: dict[int, int] = Field(
        default_factory=dict, description="Priority of each of these warehouses, by id: the lower one is sourced first."
    )
    supplier_names: dict[int, str] = Field(default_factory=dict)
    base_units: dict[int, BaseUnit] = Field(
        default_factory=dict, description="Base unit of each of these products that isn't counted in pieces, by id."
    )
    packs: dict[int, list[PackFound]] = Field(
        default_factory=dict, description="Packs of each of these products that has any, by id."
    )

    def units_of(self, product_id: int | None, supplier_id: int | None = None) -> ProductUnits:
        """The units of a product that was asked for with ``units``: for a supplier's orders, or for the house."""
        base_unit = self.base_units.get(product_id or 0, BaseUnit.EACH)
        known = [KnownPack(**each.model_dump()) for each in self.packs.get(product_id or 0, ())]
        return units_for(base_unit, known, supplier_id)


class FindTerms(Message):
    """Terms of a supplier for these products."""

    supplier_id: Id
    product_ids: list[Id] = Field(max_length=MAX_LINES)
    quantities: dict[int, int] = Field(
        default_factory=dict,
        description="Units wanted, by product id, for the supplier's price breaks. Else its first price.",
    )


class FoundTerms(BaseModel):
    """Agreed unit cost by product id; products without terms of this supplier are left out."""

    unit_costs: dict[int, Money]


class ItemsQuestion(Message):
    """A question about items: of one product, in one warehouse, or all, page by page in the order of both."""

    product: Name | None = None
    warehouse: Name | None = None
    after: tuple[str, str] | None = Field(default=None, description="SKU and warehouse of the last line seen.")


class ShowLevels(ItemsQuestion):
    """Levels of some products, in some warehouses, or all; page by page in the order of SKU and warehouse.

    Products go by SKU in ``product`` and ``products`` and by id in ``product_ids``, and count together; warehouses the
    same. Without any, all are meant.
    """

    products: list[Name] = Field(default_factory=list, max_length=MAX_LINES)
    warehouses: list[Name] = Field(default_factory=list, max_length=MAX_LINES)
    product_ids: list[Id] = Field(default_factory=list, max_length=MAX_LINES)
    warehouse_ids: list[Id] = Field(default_factory=list, max_length=MAX_LINES)
    below_reorder_point: bool = False
    as_of: Timestamp | None = Field(
        default=None, description="The instant that says which lots have expired; null: now. Levels are those of now."
    )
    limit: Annotated[int, Field(gt=0, le=LEVELS_AT_ONCE, description="Levels on this page at most.")] = LEVELS_AT_ONCE


class ItemLevel(BaseModel):
    """On hand of one item, in units, with the names of product and warehouse."""

    product_id: int
    sku: str
    name: str
    warehouse_id: int
    warehouse: str
    quantity_on_hand: int


class StockLevel(ItemLevel):
    """Level of one item, in units."""

    quantity_reserved: int
    quantity_buffer: int = Field(0, description="Units that are kept from sale: no new hold may have them.")
    quantity_unavailable: int = Field(
        0, description="Units on hand that nobody holds and that can't be promised: set aside, or of lots that may not."
    )
    unavailable: dict[str, int] = Field(
        default_factory=dict,
        exclude_if=lambda units: not units,
        description="The same by state: QUARANTINE, DAMAGED, QUALITY_CONTROL and SAFETY; BLOCKED, EXPIRED and "
        "TOO_FEW_DAYS_LEFT of lots. Left out: none.",
    )
    quantity_available: int = Field(
        description="Units that a new hold may have: on hand minus reserved, buffer and unavailable; never below 0."
    )
    reorder_point: int | None
    warehouse_priority: int = Field(DEFAULT_PRIORITY, description="Priority of the warehouse: lower is sourced first.")


class StockLevels(Page):
    """Levels of one page."""

    levels: list[StockLevel]


class ShowInTransit(Message):
    """Units in transit: all, of one product, from one warehouse, or to one.

    It comes page by page, in the order of SKU, source and destination.
    """

    product: Name | None = None
    from_warehouse: Name | None = None
    to_warehouse: Name | None = None
    after: tuple[str, str, str] | None = Field(
        default=None, description="SKU, source and destination of the last line seen."
    )


class InTransit(BaseModel):
    """Units of a product that have left one warehouse for another and have not been accounted for."""

    product_id: int
    sku: str
    name: str
    from_warehouse_id: int
    from_warehouse: str
    to_warehouse_id: int
    to_warehouse: str
    quantity: int
    transfers: int = Field(description="Number of transfers they are on.")
    dispatched_at: Timestamp = Field(description="Departure of the earliest of these transfers.")
    due_at: Timestamp | None = Field(description="Earliest due time of these transfers.")


class InTransitPage(Page):
    """One page."""

    lines: list[InTransit]


class ShortageState(State):
    """One item that was short: units asked for by the whole request, and units that were available."""

    product_id: int
    warehouse_id: int | None = Field(
        description="Null: the request left the warehouse open, and all of them together have too few."
    )
    requested: int
    available: int
    waited_for: int = Field(
        default=0,
        description="Further units that are there, and that orders before this one wait for; left out if 0.",
        exclude_if=lambda units: not units,
    )
    lot_number: str | None = Field(
        default=None,
        description="The lot that was asked for; left out: any.",
        exclude_if=lambda number: number is None,
    )
    unavailable: int = Field(
        default=0,
        description="Further units on hand that can't be promised: set aside, or of lots that are stopped, have "
        "expired, or have fewer days left than asked for; left out if 0.",
        exclude_if=lambda units: not units,
    )

    @property
    def numbers(self) -> str:
        """The units in words, as in the refusal's message."""
        return Shortage(**self.model_dump()).numbers


def shortages_of(error: InsufficientStock) -> list[ShortageState]:
    """The numbers of a refusal, for a state that shows them."""
    return [ShortageState.model_validate(short) for short in error.details]


def shortage_of(short: Sequence[ShortageState]) -> InsufficientStock:
    """The refusal of these numbers."""
    return InsufficientStock.of(Shortage(**each.model_dump()) for each in short)


class StockActivities(Protocol):
    """Questions about stock. Implemented in `activities.stock`."""

    @activity.defn(name="find_items")
    def find_items(self, question: FindItems) -> FoundItems:
        """Ids behind names."""
        ...

    @activity.defn(name="find_terms")
    def find_terms(self, question: FindTerms) -> FoundTerms:
        """Terms of a supplier."""
        ...

    @activity.defn(name="show_levels")
    def show_levels(self, question: ShowLevels) -> StockLevels:
        """Levels."""
        ...

    @activity.defn(name="show_in_transit")
    def show_in_transit(self, question: ShowInTransit) -> InTransitPage:
        """Units in transit."""
        ...
