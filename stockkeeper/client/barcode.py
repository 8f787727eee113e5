"""Barcodes: what a scan means, and the barcodes of all products."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

from stockkeeper.client.document import Part
from stockkeeper.client.ledger import Exported
from stockkeeper.client.names import change
from stockkeeper.client.questions import ask
from stockkeeper.contracts.barcode import ExportBarcodes, ForgottenBarcode, ReadScan, ScanAnswer
from stockkeeper.contracts.csv_cells import csv_line
from stockkeeper.contracts.question import EXPORT_BARCODES, FORGET_BARCODE, READ_SCAN


class Barcodes(Part):
    """What barcodes mean."""

    async def scan(self, text: str) -> ScanAnswer:
        """All that a scanned text may mean. Ask the person who scans where it isn't certain: nothing was guessed.

        Args:
            text: As the scanner sends it, with its separators, and best with the kind of symbol in front (``]C1``).

        Raises:
            InvalidRequest: It is empty, or longer than any barcode.
            Unreachable: No worker answers.
        """
        return await ask(self.connection, READ_SCAN, ReadScan(text=text, as_of=datetime.now(UTC)))

    async def export_barcodes(self) -> AsyncIterator[Exported]:
        """The barcodes of all products, as lines of CSV that an import takes back.

        Raises:
            Unreachable: No worker answers.
        """
        asked, done = ExportBarcodes(), 0
        while True:
            page = await ask(self.connection, EXPORT_BARCODES, asked)
            head = [] if asked.after else [csv_line(page.columns)]
            done += len(page.rows)
            yield Exported([*head, *page.rows], done, 0)
            if not page.more:
                return
            asked = asked.model_copy(update={"after": page.after})

    async def forget_barcode(self, barcode: str, *, performed_by: str) -> ForgottenBarcode:
        """Take a barcode away from its product, so that it may be given to another one.

        Args:
            barcode: The barcode, a GTIN with or without zeros in front.
            performed_by: The person or service that takes it away.

        Raises:
            InvalidRequest: No product has it.
            Unreachable: No worker answers.
        """
        return await change(self.connection, FORGET_BARCODE, "barcode", barcode=barcode, performed_by=performed_by)
