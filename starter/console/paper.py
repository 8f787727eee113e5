"""Papers as PDF: a title, facts, and a table that goes on from page to page with its heading.

For printers that a browser's own print doesn't reach well, and to be kept or sent on. Letters that the font which comes
with the command lacks are taken from a font of this machine.
"""

import asyncio
import atexit
import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote

from starlette.responses import Response

from stockkeeper.contracts.errors import StockkeeperError, Unreachable

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
        answer = _MAKER.make(asked.encode())
        if answer[:1] != b"\0":
            raise StockkeeperError(f"the PDF can't be made: {answer[1:].decode(errors='replace') or 'no answer came'}")
        return answer[1:]


class _Maker:
    """The process that makes PDF, begun with the first paper, and anew after it has ended.

    In a process of its own: what makes PDF takes as much memory as all of the console, and a processor meanwhile.
    """

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def make(self, asked: bytes) -> bytes:
        """What it answers; empty: it ended twice without an answer, or took too long."""
        with self._turn:
            # It may have just ended, because nobody had asked it for a while.
            return self._answer(asked) or self._answer(asked)

    def end(self) -> None:
        """End it, and wait until it has."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _answer(self, asked: bytes) -> bytes:
        if self._process is None or self._process.poll() is not None:
            self.end()
            self._process = subprocess.Popen(
                [sys.executable, "-m", "starter.console.pdf"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                cwd=_FOLDER,
            )
        process = self._process
        too_late = threading.Timer(_WITHIN_SECONDS, process.kill)
        too_late.start()
        try:
            assert process.stdin is not None  # noqa: S101 - by the pipes above
            assert process.stdout is not None  # noqa: S101
            process.stdin.write(len(asked).to_bytes(8) + asked)
            process.stdin.flush()
            answer = process.stdout.read(int.from_bytes(process.stdout.read(8)))
        except BrokenPipeError:
            answer = b""
        finally:
            too_late.cancel()
        if not answer:
            self.end()
        return answer


_MAKER = _Maker()
atexit.register(_MAKER.end)
MOST_WAITING = 5
"""Papers that are made or wait for it: each may take a while, and whoever wants the next one can come again."""
_ONE_AT_A_TIME = ThreadPoolExecutor(1, thread_name_prefix="paper")
_waiting = 0


async def pdf(paper: Paper, name: str) -> Response:
    """A paper as a file to be opened.

    Raises:
        StockkeeperError: It can't be made.
        Unreachable: Several others are being made.
    """
    safe = "".join(each if each.isalnum() or each in "-_." else "_" for each in name)
    headers = {"Content-Disposition": f"inline; filename*=UTF-8''{quote(safe)}.pdf"}
    global _waiting  # noqa: PLW0603 - of this process
    if _waiting >= MOST_WAITING:
        raise Unreachable("many papers are being made: try again in a moment")
    _waiting += 1
    try:
        made = await asyncio.get_running_loop().run_in_executor(_ONE_AT_A_TIME, paper.as_pdf)
    finally:
        _waiting -= 1
    return Response(made, media_type="application/pdf", headers=headers)
