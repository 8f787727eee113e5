"""The process in which a worker has large pages of files read: `python -m activities.page_reader`.

A line of its input is a page, as JSON: kind, columns and packed rows. Its answer is a line of JSON, which has the
number of bytes that follow, or says why the page is refused. It ends with its input, and so with the worker, however
that ends.
"""

import gc
import json
import signal
import sys

from activities.garbage import keep_what_is_loaded
from activities.niceness import give_way
from activities.page_reading import read_page
from stockkeeper.domain.errors import InvalidRequest
from stockkeeper.domain.import_file import ImportKind


def answer(asked: bytes) -> bytes:
    """The answer to a page."""
    kind, columns, packed = json.loads(asked)
    try:
        rows, row_count = read_page(ImportKind(kind), columns, packed)
    except InvalidRequest as refusal:
        return json.dumps({"refusal": refusal.message, "details": refusal.details}).encode() + b"\n"
    return json.dumps({"row_count": row_count, "bytes": len(rows)}).encode() + b"\n" + rows


def main() -> None:
    """Answer pages until there are no more."""
    # A terminal's Ctrl-C is for the worker, which ends this process when it has finished.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    give_way()
    # A page is some hundred thousand objects, which the collector would look at over and over while it is read, for a
    # third of the time. It comes after each page, when next to nothing is left.
    keep_what_is_loaded()
    gc.disable()
    for asked in sys.stdin.buffer:
        sys.stdout.buffer.write(answer(asked))
        sys.stdout.buffer.flush()
        gc.collect()


if __name__ == "__main__":
    main()
