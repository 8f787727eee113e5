"""`stockkeeper label`: a label for a product, or for a lot of it."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from starter.cli import context, options
from starter.cli.context import connect, run
from starter.cli.files import whole_or_nothing
from starter.cli.label_layout import Size, lay_out
from starter.cli.label_sheet import Sheet
from starter.cli.output import err, out, print_json
from starter.cli.products import product_named
from starter.cli.times import day_or_none
from stockkeeper.client.stockkeeper import Stockkeeper
from stockkeeper.contracts.errors import InvalidRequest
from stockkeeper.contracts.label import (
    SINGLE,
    Element,
    Label,
    PackCode,
    code_for,
    element_string,
    elements_of,
    of_known_lot,
    plain_code,
    readable,
)
from stockkeeper.contracts.messages import counted
from stockkeeper.contracts.product import Tracking

_PAIR = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,2})?)x([0-9]{1,3}(?:\.[0-9]{1,2})?)", re.ASCII)
_MOST_COPIES = 9_999


class Format(StrEnum):
    """What a label is written as."""

    ZPL = "zpl"
    PNG = "png"
    PDF = "pdf"


class Page(StrEnum):
    """What a page of a PDF is: a label, or paper with as many as fit."""

    LABEL = "label"
    A4 = "a4"
    LETTER = "letter"


class Dots(StrEnum):
    """Dots of a printer to the inch."""

    D203 = "203"
    D300 = "300"
    D600 = "600"


def label(
    product: options.Sku,
    *,
    lot: Annotated[str | None, typer.Option(help="The lot's number.")] = None,
    serial: Annotated[str | None, typer.Option(help="The serial number.")] = None,
    expires: Annotated[
        str | None, typer.Option(metavar="DAY", help="The last day of use, of a lot that isn't known yet.")
    ] = None,
    best_before: Annotated[str | None, typer.Option(metavar="DAY", help="The best-before day, of the same.")] = None,
    quantity: Annotated[int | None, typer.Option(min=1, help="How much is behind the label.")] = None,
    unit: Annotated[
        str | None, typer.Option(help="The pack that the label is for, such as case; a single unit unless said.")
    ] = None,
    gtin: Annotated[str | None, typer.Option(help="The GTIN, if not that of the product's barcodes.")] = None,
    name: Annotated[str | None, typer.Option(help="The name to print; then nothing is looked up.")] = None,
    plain: Annotated[bool, typer.Option("--plain", help="A code with the SKU alone, also with a GTIN.")] = False,
    copies: Annotated[int, typer.Option(min=1, max=_MOST_COPIES, help="How many labels.")] = 1,
    form: Annotated[
        Format | None, typer.Option("--format", help="By the file's ending unless said; zpl without a file.")
    ] = None,
    size: Annotated[str, typer.Option(metavar="MMxMM", help="The label's width and height in millimetres.")] = "100x50",
    dpi: Annotated[Dots | None, typer.Option(help="The printer's dots; 203 for zpl, 300 for the rest.")] = None,
    page: Annotated[Page, typer.Option(help="A page of a PDF: one label, or paper full of them.")] = Page.LABEL,
    margin: Annotated[
        str | None, typer.Option(metavar="MMxMM", help="The first label on paper, from the left and the top.")
    ] = None,
    gap: Annotated[str, typer.Option(metavar="MMxMM", help="Between labels on paper, across and down.")] = "2x2",
    font: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="A font that is asked first for its letters.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--out", "--output", metavar="FILE", help="The file: .zpl, .png or .pdf.")
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Print a label: ZPL for a label printer, PNG or PDF for any other.

    With a GTIN its code is a GS1 DataMatrix of GTIN, days, lot and quantity; without one it has the SKU alone.
    """

    async def work() -> None:
        given = Label(
            sku=product,
            name=name or "",
            gtin=gtin,
            lot_number=lot,
            serial=serial,
            expires_on=day_or_none(expires, "--expires"),
            best_before=day_or_none(best_before, "--best-before"),
            quantity=quantity,
            unit=unit or SINGLE,
        )
        kind = _kind_of(form, output)
        dots = int(dpi or (Dots.D203 if kind is Format.ZPL else Dots.D300))
        sheet = _sheet_of(page, margin, gap)
        wanted = _Print(kind, Size(*_pair(size, "--size"), dots), copies, sheet, tuple(font or ()), output)
        wanted.require_fitting()
        known = given if name is not None else await looked_up(await connect(), given, unit, plain=plain)
        elements = elements_of(replace(known, gtin=None) if plain else known, datetime.now(UTC).year)
        zpl = wanted.write(known, elements)
        if as_json:
            print_json(_as_json(known, elements, wanted, zpl))
        elif output is None:
            out.file.write(zpl)
        else:
            code = readable(elements) if elements else plain_code(known)
            out.print(f"written: {escape(str(output))}, {counted(copies, 'label')}, {escape(code)}", soft_wrap=True)

    try:
        run(work())
    except ImportError as error:
        context.extra_missing("labels", error)


async def looked_up(stock: Stockkeeper, given: Label, unit: str | None, *, plain: bool) -> Label:
    """The label with the product's SKU of today, its name, and its barcode of that pack.

    Raises:
        UnknownProduct: Nothing has that SKU.
        InvalidRequest: Its lot isn't known, or has other days.
    """
    product = await stock.product_names(await product_named(stock, given.sku))
    measure = product.base_unit.symbol
    if unit == measure:
        unit = None
    label = replace(given, sku=product.sku, name=product.name, unit=unit or measure or SINGLE)
    if product.tracking is Tracking.SERIAL and label.serial is None:
        label = replace(label, serial=label.lot_number, lot_number=None)
    if product.tracking is not Tracking.NONE:
        label = await _of_its_lot(stock, product.product_id, label)
    if plain or label.gtin is not None:
        return label
    codes = [PackCode(each.barcode, each.unit, each.quantity) for each in product.barcodes]
    is_counted = label.quantity is not None and not measure
    gtin, barcode = code_for(product.sku, codes, unit, is_counted=is_counted)
    return replace(label, gtin=gtin, barcode=barcode)


async def _of_its_lot(stock: Stockkeeper, product_id: int, label: Label) -> Label:
    """The label with the days of its lot; one that isn't known yet has to be given a day.

    Raises:
        InvalidRequest: The lot has other days, or it isn't known and no day was given.
    """
    number = label.serial or label.lot_number
    if number is None:
        return label
    async for lot in stock.lots(product_id, lot_number=number, with_those_gone=True):
        return of_known_lot(label, lot.expires_on, lot.best_before)
    if label.expires_on is None and label.best_before is None:
        raise InvalidRequest(
            f"{number} of {label.sku} isn't known: read it again, or give its --expires or --best-before to print it "
            "before it is received"
        )
    return label


@dataclass(frozen=True, slots=True)
class _Print:
    """How labels are printed: as what, how large, how many, on which paper, in which letters, and into which file."""

    kind: Format
    size: Size
    copies: int
    sheet: Sheet | None
    fonts: tuple[Path, ...]
    output: Path | None

    def require_fitting(self) -> None:
        """Check that the options go together.

        Raises:
            InvalidRequest: They don't.
        """
        if self.output is None and self.kind is not Format.ZPL:
            raise InvalidRequest(f"--format {self.kind}: name the file, with --out")
        if self.kind is Format.PNG and self.copies > 1:
            raise InvalidRequest("--copies: a picture is one label; print it as often, or write a PDF")
        if self.sheet is not None and self.kind is not Format.PDF:
            raise InvalidRequest(f"--page {self.sheet.paper}: only a PDF has pages")

    def write(self, known: Label, elements: Sequence[Element]) -> str:
        """Lay a label out and write it; answers with its ZPL, if that is what it is.

        Raises:
            StockkeeperError: It can't be printed as it has to be, or not written there.
        """
        # Pillow and zxing-cpp are an extra.
        from starter.cli.label_fonts import Fonts  # noqa: PLC0415
        from starter.cli.label_picture import draw, save_pdf, save_png, symbol_of  # noqa: PLC0415
        from starter.cli.label_zpl import printed_width, zpl_of  # noqa: PLC0415

        fonts = Fonts(self.fonts)
        measure = printed_width(fonts) if self.kind is Format.ZPL else fonts.width
        layout = lay_out(known, elements, self.size, measure)
        require_letters(known, fonts.missing)
        zpl = zpl_of(known, elements, layout, fonts, self.copies) if self.kind is Format.ZPL else ""
        if self.output is None:
            return zpl
        with whole_or_nothing(self.output) as unfinished:
            if self.kind is Format.ZPL:
                unfinished.write_text(zpl, encoding="ascii")
            elif self.kind is Format.PNG:
                save_png(draw(layout, symbol_of(known, elements), fonts), unfinished, self.size)
            else:
                picture = draw(layout, symbol_of(known, elements), fonts)
                save_pdf(picture, unfinished, self.size, self.copies, self.sheet)
        return zpl


def require_letters(known: Label, missing: set[str]) -> None:
    """Warn of a name with letters that no font has.

    Raises:
        InvalidRequest: The SKU, the lot or the serial number has such letters, which a picker has to compare.
    """
    if not missing:
        return
    compared = {*known.sku, *(known.lot_number or ""), *(known.serial or ""), *known.unit}
    said = f"no font here has the letters {' '.join(sorted(missing))}: install one, or name its file with --font"
    if missing & compared:
        raise InvalidRequest(said)
    err.print(f"[yellow]boxes in the name:[/yellow] {escape(said)}")


def _kind_of(form: Format | None, output: Path | None) -> Format:
    ending = output.suffix.lower().removeprefix(".") if output else Format.ZPL.value
    if form is not None:
        return form
    try:
        return Format(ending)
    except ValueError:
        raise InvalidRequest(f"--out {str(output)!r}: must end in .zpl, .png or .pdf, or say --format") from None


def _sheet_of(page: Page, margin: str | None, gap: str) -> Sheet | None:
    if page is Page.LABEL:
        return None
    return Sheet(page.value, None if margin is None else _pair(margin, "--margin"), _pair(gap, "--gap"))


def _pair(text: str, of: str) -> tuple[float, float]:
    found = _PAIR.fullmatch(text.strip().lower())
    if found is None:
        raise InvalidRequest(f"{of} {text!r}: must be millimetres across and down, such as 100x50")
    return float(found[1]), float(found[2])


def _as_json(known: Label, elements: Sequence[Element], wanted: _Print, zpl: str) -> dict[str, Any]:
    return {
        **asdict(known),
        "expires_on": known.expires_on and known.expires_on.isoformat(),
        "best_before": known.best_before and known.best_before.isoformat(),
        "code": element_string(elements) if elements else plain_code(known),
        "symbology": "]d2" if elements else "]d1",
        "format": wanted.kind,
        "copies": wanted.copies,
        "file": None if wanted.output is None else str(wanted.output),
        "zpl": zpl if wanted.output is None else None,
    }
