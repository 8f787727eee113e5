"""Barcodes: what a scanned text means, the barcodes of all products as a file, and one that is taken away."""

from datetime import date
from typing import Annotated, Protocol

from pydantic import BaseModel, Field
from temporalio import activity

from stockkeeper.contracts.messages import Actor, Asked, Message, Page, Present

BARCODES_AT_ONCE = 2_000
MAX_TEXT_LENGTH = 1_000


class ReadScan(Message):
    """What a scanned text means."""

    text: Annotated[
        str,
        Field(
            min_length=1,
            max_length=MAX_TEXT_LENGTH,
            description="As the scanner sends it: with separators, and best with the kind of symbol in front (]C1).",
        ),
    ]
    as_of: Present | None = Field(
        default=None, description="The instant by which the centuries of dates are decided; null: now."
    )


class ScanElement(BaseModel):
    """An element string of a scan."""

    ai: str = Field(description="GS1 application identifier.")
    value: str = Field(description="Its data, as in the text.")
    title: str = Field(description="What it is, in words; empty where it isn't read.")
    day: date | None = Field(description="The day of a date.")
    problem: str | None = Field(description="Why nothing follows from it.")


class ScanReading(BaseModel):
    """One thing that a scanned text may mean."""

    gtin: str | None = Field(description="With 14 digits: of what was scanned, or of what a logistic unit contains.")
    product_id: int | None = Field(description="The product of the barcode; null: the catalogue hasn't got it.")
    sku: str | None
    lot_number: str | None
    expires_on: date | None
    serial: str | None
    quantity: int | None = Field(description="Base units in all; null: that isn't known.")
    unit: str | None = Field(description="The pack of the barcode, such as case.")
    elements: list[ScanElement] = Field(description="All elements; of a GTIN by itself it, of an own code none.")


class ScanAnswer(BaseModel):
    """All that a scanned text may mean."""

    readings: list[ScanReading] = Field(description="Empty: nothing that is understood. Never one chosen of several.")
    certain: bool = Field(description="There is exactly one reading, and nothing is wrong with it.")


class ExportBarcodes(Message):
    """The barcodes of all products, page by page in the order of the barcodes."""

    after: str | None = Field(default=None, description="The last barcode seen.")


class BarcodesPage(Page):
    """One page of the file."""

    columns: list[str]
    rows: list[str] = Field(description="Lines of CSV.")
    after: str | None = Field(description="The barcode of the last of these lines. Null: there is none.")


class ForgetBarcodeStep(Asked):
    """Take a barcode away from its product, so that it means nothing, or may mean another one."""

    performed_by: Actor
    barcode: Annotated[str, Field(min_length=1, max_length=200)]


class ForgottenBarcode(BaseModel):
    """A barcode that was taken away, and what it meant."""

    barcode: str
    product_id: int
    sku: str
    unit: str
    quantity: int


class BarcodeActivities(Protocol):
    """Questions about barcodes. Implemented in `activities.barcode`."""

    @activity.defn(name="read_scan")
    def read_scan(self, question: ReadScan) -> ScanAnswer:
        """All that a scanned text may mean."""
        ...

    @activity.defn(name="export_barcodes")
    def export_barcodes(self, question: ExportBarcodes) -> BarcodesPage:
        """A page of the file."""
        ...

    @activity.defn(name="forget_barcode")
    def forget_barcode(self, step: ForgetBarcodeStep) -> ForgottenBarcode:
        """Take a barcode away."""
        ...
