"""Papers as PDF: a title, facts, and a table that goes on from page to page with its heading.

For printers that a browser's own print doesn't reach well, and to be kept or sent on. Letters that the font which comes
with the command lacks are taken from a font of this machine.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

from fpdf import FPDF
from fpdf.enums import TableBordersLayout
from fpdf.fonts import FontFace
from starlette.responses import Response

from starter.cli.label_fonts import BUNDLED, fonts_of_this_machine

REGULAR = BUNDLED.with_name("DejaVuSansCondensed-subset.ttf")
_MARGIN_MM = 15.0
_SMALL, _TEXT, _TITLE = 8.0, 10.0, 16.0


@dataclass(frozen=True)
class Column:
    """A column of a paper's table.

    Attributes:
        name: Its heading.
        width: Its share of the width.
        is_number: Whether it stands to the right.
    """

    name: str
    width: int
    is_number: bool = False


@dataclass(frozen=True)
class Paper:
    """What is printed.

    Attributes:
        title: The first line.
        facts: Names and values below it.
        columns: The table's columns.
        rows: The table's cells as they are to be read; an empty one is left to be written in by hand.
        foot: What stands at the foot of every page, with ``{page}`` and ``{pages}``.
    """

    title: str
    facts: Sequence[tuple[str, str]]
    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]
    foot: str = "{page} / {pages}"

    def as_pdf(self) -> bytes:
        """The paper on A4."""
        return bytes(_Sheet(self).output())


class _Sheet(FPDF):
    def __init__(self, paper: Paper) -> None:
        super().__init__(orientation="portrait", unit="mm", format="A4")
        self._paper = paper
        self.set_title(paper.title)
        self.set_margin(_MARGIN_MM)
        self.set_auto_page_break(auto=True, margin=_MARGIN_MM)
        self.add_font("text", style="", fname=REGULAR)
        self.add_font("text", style="B", fname=BUNDLED)
        others = [f"other{number}" for number, _ in enumerate(fonts_of_this_machine())]
        for name, path in zip(others, fonts_of_this_machine(), strict=True):
            self.add_font(name, fname=path)
        self.set_fallback_fonts(others, exact_match=False)
        self.add_page()
        self._write()

    def footer(self) -> None:
        """The page's number, and how many there are."""
        self.set_y(-_MARGIN_MM)
        self.set_font("text", size=_SMALL)
        self.cell(text=self._paper.foot.format(page=self.page_no(), pages="{nb}"), w=self.epw, align="R")

    def _write(self) -> None:
        paper = self._paper
        self.set_font("text", "B", _TITLE)
        self.multi_cell(w=0, text=paper.title, new_x="LMARGIN", new_y="NEXT")
        self.ln(2)
        for name, value in paper.facts:
            self.set_font("text", "B", _TEXT)
            self.cell(w=40, h=6, text=name)
            self.set_font("text", "", _TEXT)
            self.multi_cell(w=0, h=6, text=value, new_x="LMARGIN", new_y="NEXT")
        self.ln(4)
        self.set_font("text", "", _TEXT)
        aligned: list[Literal["LEFT", "RIGHT"]] = ["RIGHT" if each.is_number else "LEFT" for each in paper.columns]
        with self.table(
            col_widths=[each.width for each in paper.columns],
            text_align=aligned,
            headings_style=FontFace(emphasis="BOLD"),
            borders_layout=TableBordersLayout.HORIZONTAL_LINES,
            line_height=6,
            padding=1.5,
            repeat_headings=1,
        ) as table:
            for cells in [[each.name for each in paper.columns], *paper.rows]:
                row = table.row()
                for cell in cells:
                    row.cell(cell)


def pdf(paper: Paper, name: str) -> Response:
    """A paper as a file to be opened."""
    safe = "".join(each if each.isalnum() or each in "-_." else "_" for each in name)
    headers = {"Content-Disposition": f"inline; filename*=UTF-8''{quote(safe)}.pdf"}
    return Response(paper.as_pdf(), media_type="application/pdf", headers=headers)
