"""The question for suppliers and their terms, as the files that imports take them from."""

from typing import Literal, Protocol

from pydantic import Field
from temporalio import activity

from stockkeeper.contracts.messages import Message, Page

SUPPLY_AT_ONCE = 2_000


class ExportSupply(Message):
    """Suppliers, what they sell and on which terms, or packs of products; page by page in the order of their ids."""

    file: Literal["suppliers", "product-suppliers", "units"] = Field(description="Kind of file, as imports have it.")
    after: tuple[int, int] | None = Field(
        default=None,
        description="``after`` of the last page: of its last line the ids of supplier (0: none) and product; of packs "
        "the line's own id in place of the supplier's.",
    )


class SupplyPage(Page):
    """One page of the file."""

    columns: list[str]
    rows: list[str] = Field(description="Lines of CSV.")
    after: tuple[int, int] | None = Field(description="Of the last of these lines. Null: there is none.")


class SupplyActivities(Protocol):
    """The question for suppliers and their terms. Implemented in `activities.supply`."""

    @activity.defn(name="export_supply")
    def export_supply(self, question: ExportSupply) -> SupplyPage:
        """A page of the file."""
        ...
