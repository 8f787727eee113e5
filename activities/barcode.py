"""Questions about barcodes on PostgreSQL: what a scan means, the file of all barcodes, and one that is taken away."""

from datetime import UTC, datetime

from sqlalchemy import Connection
from temporalio import activity

from activities.scanning import scan
from activities.writes import OnDatabase, database_errors, effect_once
from database.barcode import Barcode, ScannedSku, find_barcodes, find_sku, forget, read_barcodes
from database.operations import Operation
from stockkeeper.contracts.barcode import (
    BARCODES_AT_ONCE,
    BarcodeActivities,
    BarcodesPage,
    ExportBarcodes,
    ForgetBarcodeStep,
    ForgottenBarcode,
    ReadScan,
    ScanAnswer,
    ScanElement,
    ScanReading,
)
from stockkeeper.contracts.csv_cells import csv_line
from stockkeeper.domain.barcode import gtin_of
from stockkeeper.domain.scan import Reading

_COLUMNS = ["sku", "barcode", "unit", "quantity"]


class BarcodeQuestions(OnDatabase, BarcodeActivities):
    """`BarcodeActivities` on PostgreSQL."""

    @activity.defn(name="read_scan", no_thread_cancel_exception=True)
    def read_scan(self, question: ReadScan) -> ScanAnswer:
        """All that a scanned text may mean, with the products of its barcodes. Locks nothing."""
        today = (question.as_of or datetime.now(UTC)).astimezone(UTC).date()
        with database_errors(), self._database.snapshot() as connection:
            own: list[Barcode | ScannedSku] = []

            def is_own_code(code: str) -> bool:
                own.extend(_own(connection, code))
                return bool(own)

            scanned = scan(question.text, today, is_own_code)
            known = find_barcodes(connection, [each.gtin for each in scanned.readings if each.gtin])
        readings = [
            _reading(each, meant)
            for each in scanned.readings
            for meant in (own if each.own_code is not None else [known.get(each.gtin or "")])
        ]
        return ScanAnswer(readings=readings, certain=scanned.certain and len(readings) == 1)

    @activity.defn(name="export_barcodes", no_thread_cancel_exception=True)
    def export_barcodes(self, question: ExportBarcodes) -> BarcodesPage:
        """A page of barcodes, in the columns that an import takes. Locks nothing."""
        with database_errors(), self._database.snapshot() as connection:
            found = read_barcodes(connection, question.after or "", BARCODES_AT_ONCE + 1)
        page = found[:BARCODES_AT_ONCE]
        return BarcodesPage(
            columns=_COLUMNS,
            rows=[csv_line(row[name] for name in _COLUMNS) for row in page],
            after=page[-1]["barcode"] if page else None,
            more=len(found) > BARCODES_AT_ONCE,
        )

    @activity.defn(name="forget_barcode", no_thread_cancel_exception=True)
    def forget_barcode(self, step: ForgetBarcodeStep) -> ForgottenBarcode:
        """Take a barcode away from its product.

        Locks: the barcode. Operation: the caller's.

        Raises:
            InvalidRequest: No product has it.
        """

        def effect(connection: Connection, _: Operation) -> ForgottenBarcode:
            gone = forget(connection, gtin_of(step.barcode) or step.barcode)
            return ForgottenBarcode(
                barcode=gone.barcode, product_id=gone.product_id, sku=gone.sku, unit=gone.unit, quantity=gone.quantity
            )

        return effect_once(self._database, step, ForgottenBarcode, effect)[0]


def _own(connection: Connection, code: str) -> list[Barcode | ScannedSku]:
    """What a code of one's own means: a barcode of one product, and maybe the SKU of another one.

    A GTIN is none, and no code has what can't be printed.
    """
    if not code.isprintable() or gtin_of(code) is not None:
        return []
    by_barcode, by_sku = find_barcodes(connection, [code]).get(code), find_sku(connection, code)
    if by_barcode is not None and by_sku is not None and by_barcode.product_id == by_sku.product_id:
        return [by_barcode]
    return [each for each in (by_barcode, by_sku) if each is not None]


def _reading(reading: Reading, meant: Barcode | ScannedSku | None) -> ScanReading:
    barcode = meant if isinstance(meant, Barcode) else None
    return ScanReading(
        gtin=reading.gtin,
        product_id=meant and meant.product_id,
        sku=meant and meant.sku,
        lot_number=reading.lot_number,
        expires_on=reading.expires_on,
        serial=reading.serial,
        quantity=None if barcode is None else reading.units(barcode.base_unit, barcode.quantity),
        unit=barcode and barcode.unit,
        elements=[
            ScanElement(ai=each.ai, value=each.value, title=each.title, day=each.day, problem=each.problem)
            for each in reading.elements
        ],
    )
