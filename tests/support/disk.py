"""A disk that is full for one session of the database: the kernel refuses it files beyond a size.

The server's own log is in files of 16 MiB, and a write to it that fails would end the server. So the limit is above
that, and the file that is to grow is made larger before.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, text

_PRLIMIT = shutil.which("prlimit")
IS_THERE = _PRLIMIT is not None
"""Whether this machine can do it: Linux, with util-linux."""

_LOG_FILE = 16 * 1024 * 1024
_ROW = 1024 * 1024
# Digits of a digest, which no compression shortens by much.
_FILL = text("""
    INSERT INTO operations (operation_id, kind, fingerprint, result, performed_by, workflow_id, run_id)
    SELECT 'fill-' || row, 'fill', sha256('fill'), to_jsonb(digests), 'tests', 'fill', ''
    FROM generate_series(1, :rows) AS row CROSS JOIN LATERAL (
        SELECT string_agg(md5(row || '-' || piece), '') AS digests FROM generate_series(1, :pieces) AS piece) AS filler
""")
_LARGEST = text("SELECT max(pg_relation_size(oid)) FROM pg_class WHERE relkind IN ('r', 'i', 't')")
_ANSWERS = text("SELECT pg_relation_size(reltoastrelid) FROM pg_class WHERE relname = 'operations'")


@contextmanager
def no_room_for_large_answers(engine: Engine) -> Iterator["FullDisk"]:
    """The file that keeps large answers of operations can't grow, for sessions that are told so; all others can."""
    with engine.begin() as connection:
        beyond = max(_LOG_FILE, int(connection.execute(_LARGEST).scalar_one())) + _ROW
        connection.execute(_FILL, {"rows": beyond // _ROW + 1, "pieces": _ROW // 32})
        size = int(connection.execute(_ANSWERS).scalar_one())
    assert size >= beyond
    try:
        yield FullDisk(size)
    finally:
        with engine.begin() as connection:
            connection.execute(text("DELETE FROM operations WHERE workflow_id = 'fill'"))


class FullDisk:
    """Sets the limit of a session.

    Args:
        size: The size that no file may be larger than, in bytes.
    """

    def __init__(self, size: int) -> None:
        self._size = size

    def for_session(self, connection: Connection) -> int:
        """From now on, for the session of this connection; its process."""
        process = int(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())
        _limit(process, str(self._size))
        return process

    def is_over(self, process: int) -> None:
        """There is room again for a session's process."""
        _limit(process, "unlimited")


def _limit(process: int, size: str) -> None:
    owner = Path(f"/proc/{process}").stat()
    set_it = [str(_PRLIMIT), f"--pid={process}", f"--fsize={size}:"]
    if os.geteuid() == 0:
        # Only the account that runs the server may limit it: not even root may in every container.
        subprocess.run(set_it, check=True, user=owner.st_uid, group=owner.st_gid, extra_groups=[])
    else:
        subprocess.run(set_it, check=True)
