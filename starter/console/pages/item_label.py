"""A label for a product or a lot of it, to print or to keep."""

import asyncio
from datetime import UTC, datetime
from io import BytesIO
from urllib.parse import quote

from starlette.responses import Response

from starter.cli.label import looked_up, require_letters
from starter.cli.label_layout import Size, lay_out
from starter.console.routes import Routes
from starter.console.visit import Visit
from stockkeeper.contracts.errors import InvalidRequest, StockkeeperError
from stockkeeper.contracts.label import Label, elements_of

routes = Routes()

_SIZE = Size(100, 50, 300)
_MOST_COPIES = 100
_MEDIA = {"pdf": "application/pdf", "png": "image/png"}


@routes.get("/stock/{sku:path}/label")
async def make_label(visit: Visit) -> Response:
    """A label as a file; ``format`` is pdf or png, ``lot`` a lot or serial number, ``copies`` the pages of a PDF."""
    kind = visit.query("format") or "pdf"
    if kind not in _MEDIA:
        raise InvalidRequest(visit.texts.say("A label is a PDF or a PNG."))
    copies = visit.query("copies") or "1"
    if not (copies.isascii() and copies.isdecimal() and 1 <= int(copies) <= _MOST_COPIES):
        raise InvalidRequest(visit.texts.say("Print {most} labels at a time at most.", most=_MOST_COPIES))
    lot = visit.query("lot")
    given = Label(sku=visit.path("sku"), name="", lot_number=lot)
    known = await looked_up(visit.stock, given, None, plain=False)
    try:
        made = await asyncio.to_thread(_made, known, kind, int(copies))
    except ImportError:
        said = visit.texts.say("This console can't make labels: the packages for them aren't installed.")
        raise StockkeeperError(said) from None
    name = quote("-".join(each for each in ("label", known.sku, lot) if each), safe="")
    return Response(
        made,
        media_type=_MEDIA[kind],
        headers={"Content-Disposition": f"attachment; filename*=UTF-8''{name}.{kind}"},
    )


def _made(known: Label, kind: str, copies: int) -> bytes:
    # Pillow and zxing-cpp are an extra.
    from starter.cli.label_fonts import Fonts  # noqa: PLC0415
    from starter.cli.label_picture import draw, save_pdf, save_png, symbol_of  # noqa: PLC0415

    fonts, elements, file = Fonts(()), elements_of(known, datetime.now(UTC).year), BytesIO()
    layout = lay_out(known, elements, _SIZE, fonts.width)
    require_letters(known, fonts.missing)
    picture = draw(layout, symbol_of(known, elements), fonts)
    if kind == "png":
        save_png(picture, file, _SIZE)
    else:
        save_pdf(picture, file, _SIZE, copies, None)
    return file.getvalue()
