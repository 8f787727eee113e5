"""Pages of imported files, read in a process of their own.

Reading a full page is half a second of Python. In the worker's own process, the orders that it answers meanwhile would
wait for the interpreter a dozen times each (ADR 0086 has the figures). So the worker hands such a page to a child
process, which gives way to it, and waits without the interpreter.
"""

import contextlib
import json
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import IO, NamedTuple

from stockkeeper.contracts.import_file import unpack_rows
from stockkeeper.contracts.import_rows import read_rows, rows_as_json
from stockkeeper.domain.errors import InvalidRequest
from stockkeeper.domain.import_file import ImportKind, refusal

READ_AT_ONCE = 4_000
"""Letters of a page that is read where it is: some hundred rows, in milliseconds."""
_PROGRAM = [sys.executable, "-m", "activities.page_reader"]
_ENDS_WITHIN_SECONDS = 5.0


class ReadPage(NamedTuple):
    """The rows of a page as the database takes them, and how many there are."""

    rows: bytes
    row_count: int


def read_page(kind: ImportKind, columns: Sequence[str], packed: str) -> ReadPage:
    """Read a page here and now.

    Raises:
        InvalidRequest: It isn't a page, or has bad rows.
    """
    rows, bad = read_rows(kind, columns, unpack_rows(packed))
    if bad:
        raise refusal(bad, len(bad))
    return ReadPage(rows_as_json(kind, rows), len(rows))


class PageReading:
    """Reads pages, the large ones in a child process, which is ended by `close`, or with this object."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._end: Callable[[], object] = _nothing

    def read(self, kind: ImportKind, columns: Sequence[str], packed: str) -> ReadPage:
        """Read a page; one large page at a time.

        Raises:
            InvalidRequest: It isn't a page, or has bad rows.
            OSError: The child process has ended, and so did the one after it.
        """
        if len(packed) <= READ_AT_ONCE:
            return read_page(kind, columns, packed)
        asked = json.dumps([kind, list(columns), packed]).encode() + b"\n"
        with self._lock:
            try:
                return self._ask(asked)
            except EOFError:
                # It ended while nothing was asked, or was ended by the system for its memory.
                return self._ask(asked)

    def _ask(self, asked: bytes) -> ReadPage:
        child = self._child or self._begin()
        writing, reading = _pipes_of(child)
        try:
            writing.write(asked)
            writing.flush()
            answer = json.loads(reading.readline() or b"null")
        except BrokenPipeError:
            answer = None
        if answer is None:
            self.close()
            raise EOFError("the process that reads pages of files has ended")
        if "refusal" in answer:
            raise InvalidRequest(answer["refusal"], answer["details"])
        return ReadPage(reading.read(answer["bytes"]), answer["row_count"])

    def _begin(self) -> "subprocess.Popen[bytes]":
        self._child = subprocess.Popen(  # noqa: S603
            _PROGRAM,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # Where its module is, wherever the worker was started.
            cwd=Path(__file__).parents[1],
        )
        self._end = weakref.finalize(self, partial(_end, self._child))
        return self._child

    def close(self) -> None:
        """End the child process, if there is one; the next large page begins another."""
        self._child = None
        self._end()


def _pipes_of(child: "subprocess.Popen[bytes]") -> tuple[IO[bytes], IO[bytes]]:
    if child.stdin is None or child.stdout is None:
        raise RuntimeError("the process that reads pages of files has no pipes")
    return child.stdin, child.stdout


def _nothing() -> None:
    """Ends no process."""


def _end(child: "subprocess.Popen[bytes]") -> None:
    """Close its input, which ends it."""
    for pipe in _pipes_of(child):
        with contextlib.suppress(BrokenPipeError):
            pipe.close()
    try:
        child.wait(_ENDS_WITHIN_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
