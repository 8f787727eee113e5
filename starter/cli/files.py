"""Files that commands write: whole, or not at all."""

import contextlib
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stockkeeper.contracts.errors import StockkeeperError


@contextmanager
def whole_or_nothing(path: Path) -> Iterator[Path]:
    """The path to write a file to that appears under its own name once it is complete, in place of an earlier one.

    After an error or an interruption the earlier file is as it was, and no part of the new one is left.

    Raises:
        StockkeeperError: It can't be written there.
    """
    target = path.resolve()
    unfinished = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}")
    try:
        if target.exists() and not target.is_file():
            raise StockkeeperError(f"{path} can't be written: it isn't a file")
        yield unfinished
        with unfinished.open("rb") as written:
            os.fsync(written.fileno())
        unfinished.replace(target)
    except OSError as error:
        raise StockkeeperError(f"{path} can't be written: {error.strerror or error}") from None
    finally:
        with contextlib.suppress(OSError):
            unfinished.unlink()
