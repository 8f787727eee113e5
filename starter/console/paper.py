"""Papers as PDF: a title, facts, and a table that goes on from page to page with its heading.

For printers that a browser's own print doesn't reach well, and to be kept or sent on. Letters that the font which comes
with the command lacks are taken from a font of this machine.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote

from starlette.responses import Response

from stockkeeper.contracts.errors import StockkeeperError

_FOLDER = Path(__file__).parents[2]
_WITHIN_SECONDS = 60.0


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
        """The paper on A4. Call it in a thread: it takes a while.

        Raises:
            StockkeeperError: It can't be made.
        """
        # Only here: fonts bring a library for pictures with them.
        from starter.cli.label_fonts import BUNDLED, fonts_of_this_machine  # noqa: PLC0415

        fonts = [BUNDLED.with_name("DejaVuSansCondensed-subset.ttf"), BUNDLED, *fonts_of_this_machine()]
        asked = json.dumps({"paper": asdict(self), "fonts": [str(each) for each in fonts]})
        # In a process of its own: what makes PDF takes as much memory as all of the console, and a processor meanwhile.
        done = subprocess.run(
            [sys.executable, "-m", "starter.console.pdf"],
            input=asked.encode(),
            cwd=_FOLDER,
            capture_output=True,
            timeout=_WITHIN_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
            raise StockkeeperError(f"the PDF can't be made: {last}")
        return done.stdout


async def pdf(paper: Paper, name: str) -> Response:
    """A paper as a file to be opened.

    Raises:
        StockkeeperError: It can't be made.
    """
    safe = "".join(each if each.isalnum() or each in "-_." else "_" for each in name)
    headers = {"Content-Disposition": f"inline; filename*=UTF-8''{quote(safe)}.pdf"}
    return Response(await asyncio.to_thread(paper.as_pdf), media_type="application/pdf", headers=headers)
