"""Questions about stock: what a name stands for, and how much there is.

They are asked as activities of their own, without a workflow: nothing changes, and nothing is left to watch.
"""

from typing import Annotated, Protocol

from pydantic import BaseModel, Field
from temporalio import activity

from contracts.messages import MAX_LINES, Id, Message, Money

LEVELS_AT_ONCE = 1_000

Name = Annotated[str, Field(min_length=1, max_length=200)]


class FindItems(Message):
    """What people call things, to find their ids, and ids, to find what people call them.

    A product goes by its SKU or its id, a warehouse and a supplier by their names or ids.
    """

    products: list[Name] = Field(default_factory=list, max_length=MAX_LINES)
    warehouses: list[Name] = Field(default_factory=list, max_length=MAX_LINES)
    suppliers: list[Name] = Field(default_factory=list, max_length=MAX_LINES)
    product_ids: list[Id] = Field(default_factory=list, max_length=MAX_LINES)
    warehouse_ids: list[Id] = Field(default_factory=list, max_length=MAX_LINES)
    supplier_ids: list[Id] = Field(default_factory=list, max_length=MAX_LINES)


class FoundItems(BaseModel):
    """The ids behind the names, and the names of the ids; an id that nothing has is left out."""

    products: dict[str, int]
    warehouses: dict[str, int]
    suppliers: dict[str, int] = Field(default_factory=dict)
    skus: dict[int, str]
    warehouse_names: dict[int, str]
    supplier_names: dict[int, str] = Field(default_factory=dict)


class FindTerms(Message):
    """What a supplier has agreed to for these products."""

    supplier_id: Id
    product_ids: list[Id] = Field(max_length=MAX_LINES)


class FoundTerms(BaseModel):
    """The agreed unit cost by product id; a product that the supplier isn't known for is left out."""

    unit_costs: dict[int, Money]


class ShowLevels(Message):
    """Which levels: of one product, of one warehouse, or all; page by page in the order of SKU and warehouse."""

    product: Name | None = None
    warehouse: Name | None = None
    below_reorder_point: bool = False
    after: tuple[str, str] | None = Field(default=None, description="SKU and warehouse of the last line seen.")


class StockLevel(BaseModel):
    """What one item has, in units."""

    product_id: int
    sku: str
    name: str
    warehouse_id: int
    warehouse: str
    quantity_on_hand: int
    quantity_reserved: int
    quantity_available: int
    reorder_point: int | None


class StockLevels(BaseModel):
    """Levels of one page."""

    levels: list[StockLevel]
    more: bool = Field(description="There are more after the last one.")


class StockActivities(Protocol):
    """What can be asked about stock. Implemented in `activities.stock`."""

    @activity.defn(name="find_items")
    def find_items(self, question: FindItems) -> FoundItems:
        """The ids behind names."""
        ...

    @activity.defn(name="find_terms")
    def find_terms(self, question: FindTerms) -> FoundTerms:
        """What a supplier asks for its products."""
        ...

    @activity.defn(name="show_levels")
    def show_levels(self, question: ShowLevels) -> StockLevels:
        """How much there is."""
        ...
