"""A label as a picture in black and white, dot by dot as it is printed."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import zxingcpp
from PIL import Image, ImageDraw

from starter.cli.label_fonts import Fonts
from starter.cli.label_layout import Layout, Size
from starter.cli.label_sheet import PAPERS_MM, Sheet
from stockkeeper.contracts.errors import StockkeeperError
from stockkeeper.contracts.label import Element, Label, plain_code

_WHITE = 1


def symbol_of(label: Label, elements: Sequence[Element]) -> Image.Image:
    """The code's square symbol, a dot for each module and without a quiet zone.

    Raises:
        StockkeeperError: The library that writes symbols refuses the code.
    """
    # Without force_square it may be a rectangle, which readers tell from GS1 DataMatrix as ]d8. Brackets of this kind
    # are in no value: set 82 hasn't got them.
    code = "".join(f"[{each.identifier}]{each.value}" for each in elements)
    try:
        if elements:
            made = zxingcpp.create_barcode(code, zxingcpp.BarcodeFormat.DataMatrix, gs1=True, force_square=True)
        else:
            plain = plain_code(label)
            character_set = {} if plain.isascii() else {"eci": "UTF-8"}
            made = zxingcpp.create_barcode(plain, zxingcpp.BarcodeFormat.DataMatrix, force_square=True, **character_set)
    except ValueError as error:
        raise StockkeeperError(f"no symbol for {code or plain_code(label)!r}: {error}") from None
    return Image.fromarray(made.to_image(add_quiet_zones=False)).convert("1")


def draw(layout: Layout, symbol: Image.Image, fonts: Fonts) -> Image.Image:
    """Draw a label that is laid out.

    Args:
        layout: Where everything stands.
        symbol: The symbol, a dot for each module.
        fonts: The letters.
    """
    picture = Image.new("1", (layout.width, layout.height), _WHITE)
    canvas = ImageDraw.Draw(picture)
    canvas.fontmode = "1"
    picture.paste(enlarged(symbol, layout.symbol.module), (layout.symbol.x, layout.symbol.y))
    for text in layout.texts:
        fonts.draw(canvas, text.x, text.y, text.text, text.height)
    return picture


def enlarged(symbol: Image.Image, module: int) -> Image.Image:
    """A symbol whose modules are so many dots wide."""
    return symbol.resize((symbol.width * module, symbol.height * module), Image.Resampling.NEAREST)


def save_png(picture: Image.Image, path: Path | BinaryIO, size: Size) -> None:
    """Write one label as a picture that says how large it is on paper."""
    picture.save(path, format="PNG", dpi=(size.dots_per_inch, size.dots_per_inch))


def save_pdf(picture: Image.Image, path: Path | BinaryIO, size: Size, copies: int, sheet: Sheet | None) -> None:
    """Write labels as pages of a PDF.

    Args:
        picture: The label.
        path: The file.
        size: The label's size.
        copies: How many labels.
        sheet: The paper that they are on; None: each is a page of its own.

    Raises:
        InvalidRequest: No label fits on the paper.
    """
    pages = [picture] * copies if sheet is None else list(_sheets(picture, size, copies, sheet))
    resolution = size.dots_per_inch
    pages[0].save(path, format="PDF", save_all=True, append_images=pages[1:], resolution=resolution, title="Labels")


def _sheets(picture: Image.Image, size: Size, copies: int, sheet: Sheet) -> Iterator[Image.Image]:
    width, height = PAPERS_MM[sheet.paper]
    for places in sheet.pages(size, copies):
        page = Image.new("1", (size.dots(width), size.dots(height)), _WHITE)
        for x, y in places:
            page.paste(picture, (size.dots(x), size.dots(y)))
        yield page
