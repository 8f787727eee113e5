"""The question for suppliers and their terms, as the files that imports take them from."""

from typing import Literal, Protocol

from pydantic import Field
from temporalio import activity

from stockkeeper.contracts.messages import Message, Page

SUPPLY_AT_ONCE = 2_000


class ExportSupply(Message):
    """Suppliers, or what they sell and on which terms; page by page in the order of their ids."""

    file: Literal["suppliers", "product-suppliers"] = Field(description="Kind of file, as imports have it.")
    after: tuple[int, int] | None = Field(
        default=None, description="Ids of the last line seen: of its supplier, and of its product (0 of a supplier)."
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
