"""Makes the PDF of papers: ``python -m starter.console.pdf``, which reads them as JSON and writes the files.

It imports nothing of ours, and ends by itself: it takes as much memory as all of the console, for a few papers a day.
"""

import json
import os
import select
import sys
from collections.abc import Sequence
from typing import Any, Literal

from fpdf import FPDF
from fpdf.enums import TableBordersLayout
from fpdf.fonts import FontFace

IDLE_SECONDS = 120.0
"""How long the process stays for another paper: to begin takes longer than to make one."""
_MARGIN_MM = 15.0
_SMALL, _TEXT, _TITLE = 8.0, 10.0, 16.0


class Sheet(FPDF):
    """A paper on A4.

    Args:
        paper: What is printed.
        fonts: The files of the fonts: for texts, for headings, and others for letters that these lack.
    """

    def __init__(self, paper: dict[str, Any], fonts: Sequence[str]) -> None:
        super().__init__(orientation="portrait", unit="mm", format="A4")
        self._paper = paper
        self.set_title(paper["title"])
        self.set_margin(_MARGIN_MM)
        self.set_auto_page_break(auto=True, margin=_MARGIN_MM)
        regular, bold, *more = fonts
        self.add_font("text", style="", fname=regular)
        self.add_font("text", style="B", fname=bold)
        others = [f"other{number}" for number, _ in enumerate(more)]
        for name, path in zip(others, more, strict=True):
            self.add_font(name, fname=path)
        self.set_fallback_fonts(others, exact_match=False)
        self.add_page()
        self._write()

    def footer(self) -> None:
        """The page's number, and how many there are."""
        self.set_y(-_MARGIN_MM)
        self.set_font("text", size=_SMALL)
        self.cell(text=self._paper["foot"].format(page=self.page_no(), pages="{nb}"), w=self.epw, align="R")

    def _write(self) -> None:
        paper = self._paper
        self.set_font("text", "B", _TITLE)
        self.multi_cell(w=0, text=paper["title"], new_x="LMARGIN", new_y="NEXT")
        self.ln(2)
        for name, value in paper["facts"]:
            self.set_font("text", "B", _TEXT)
            self.cell(w=40, h=6, text=name)
            self.set_font("text", "", _TEXT)
            self.multi_cell(w=0, h=6, text=value, new_x="LMARGIN", new_y="NEXT")
        self.ln(4)
        self.set_font("text", "", _TEXT)
        aligned: list[Literal["LEFT", "RIGHT"]] = [
            "RIGHT" if each["is_number"] else "LEFT" for each in paper["columns"]
        ]
        with self.table(
            col_widths=[each["width"] for each in paper["columns"]],
            text_align=aligned,
            headings_style=FontFace(emphasis="BOLD"),
            borders_layout=TableBordersLayout.HORIZONTAL_LINES,
            line_height=6,
            padding=1.5,
            repeat_headings=1,
        ) as table:
            for cells in [[each["name"] for each in paper["columns"]], *paper["rows"]]:
                row = table.row()
                for cell in cells:
                    row.cell(cell)


def made(asked: bytes) -> bytes:
    """The PDF of a paper and the files of its fonts, as JSON has them."""
    wanted = json.loads(asked)
    return bytes(Sheet(wanted["paper"], wanted["fonts"]).output())


def main() -> None:
    """Make papers until nobody has asked for one for a while, or who asked is gone.

    A request is its length in eight bytes, and JSON; an answer its length, a zero and the PDF, or a one and what was
    wrong.
    """
    while select.select([0], [], [], IDLE_SECONDS)[0]:
        length = os.read(0, 8)
        if not length:
            return
        asked = bytearray()
        while len(asked) < int.from_bytes(length):
            part = os.read(0, int.from_bytes(length) - len(asked))
            if not part:
                return
            asked += part
        try:
            answer = b"\0" + made(bytes(asked))
        except Exception as error:  # noqa: BLE001 - told to who asked
            answer = b"\1" + f"{type(error).__name__}: {error}".encode()
        sys.stdout.buffer.write(len(answer).to_bytes(8) + answer)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
