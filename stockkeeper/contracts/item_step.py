"""A small change of one item, which a client asks for as it asks a question."""

from typing import Annotated, ClassVar

from pydantic import Field

from stockkeeper.contracts.messages import Actor, Asked
from stockkeeper.contracts.stock import FoundItems, Name
from stockkeeper.domain.permission import require_place
from stockkeeper.domain.stock import ItemKey


class ItemStep(Asked):
    """A change of one product in one warehouse, by their names."""

    not_compared: ClassVar[frozenset[str]] = Asked.not_compared | {"only_in"}

    performed_by: Actor
    product: Name
    warehouse: Name
    only_in: Annotated[
        list[int] | None,
        Field(
            description="Ids of the warehouses in which the caller may. A worker that requires identities sets it, "
            "by the caller's token; null: in all."
        ),
    ] = None

    def item_of(self, found: FoundItems) -> ItemKey:
        """The item that it changes.

        Args:
            found: The ids of its product and warehouse.

        Raises:
            NotPermitted: Its caller may not change items of that warehouse.
        """
        item = ItemKey(found.warehouses[self.warehouse], found.products[self.product])
        require_place(self.only_in, item.warehouse_id, self.performed_by)
        return item
