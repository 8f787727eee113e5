"""Suppliers and their terms, as files."""

from collections.abc import AsyncIterator
from typing import Literal

from stockkeeper.client.document import Part
from stockkeeper.client.ledger import Exported
from stockkeeper.client.questions import ask
from stockkeeper.contracts.csv_cells import csv_line
from stockkeeper.contracts.question import EXPORT_SUPPLY
from stockkeeper.contracts.supply import ExportSupply


class Supply(Part):
    """Whom products are ordered from, and on which terms."""

    async def export_supply(self, file: Literal["suppliers", "product-suppliers", "units"]) -> AsyncIterator[Exported]:
        """Suppliers, what they sell and on which terms, or packs, as lines of CSV that an import takes back.

        Raises:
            Unreachable: No worker answers.
        """
        asked, done = ExportSupply(file=file), 0
        while True:
            page = await ask(self.connection, EXPORT_SUPPLY, asked)
            head = [] if asked.after else [csv_line(page.columns)]
            done += len(page.rows)
            yield Exported([*head, *page.rows], done, 0)
            if not page.more:
                return
            asked = asked.model_copy(update={"after": page.after})
