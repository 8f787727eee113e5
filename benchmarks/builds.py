"""Builds of the product to be measured in turn: this one, and an earlier one that is taken out of git."""

import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, cast

from stockkeeper.domain.errors import StockkeeperError

ROOT = Path(__file__).resolve().parent.parent
BEFORE = "60b61ef"
"""The last build before steps of several callers shared a transaction."""
BEFORE_LOTS = "a8f383a"
"""The last build before products could be tracked by lot."""


def take_out(commit: str, directory: Path) -> Path:
    """The files of a commit of this repository, in a directory.

    Raises:
        StockkeeperError: This isn't a clone, or it hasn't got that commit.
    """
    archive = subprocess.run(  # noqa: S603 - arguments as a list
        ["git", "-C", str(ROOT), "archive", commit],  # noqa: S607 - the git of whoever measures
        capture_output=True,
        check=False,
    )
    if archive.returncode:
        raise StockkeeperError(f"build {commit} isn't in this clone: {archive.stderr.decode().strip()}")
    with tarfile.open(fileobj=BytesIO(archive.stdout)) as files:
        files.extractall(directory, filter="data")
    return directory


class Build:
    """A process of a build that calls activities; its program says what it can be asked for."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def ask(self, method: str, **task: object) -> dict[str, Any]:
        """Have something done, and wait for the figures."""
        print(json.dumps({"method": method, **task}), file=self._process.stdin, flush=True)
        return self.answer()

    def rate(self, method: str, **task: object) -> float:
        """Calls a second."""
        return rate_of(self.ask(method, **task))

    def answer(self) -> dict[str, Any]:
        """The next line that it prints.

        Raises:
            StockkeeperError: It has ended; it said why on the standard error.
        """
        line = cast("Any", self._process.stdout).readline()
        if not line:
            raise StockkeeperError("the process that calls the activities has ended")
        return cast("dict[str, Any]", json.loads(line))


def rate_of(figures: dict[str, float]) -> float:
    """Calls a second."""
    return figures["calls"] / figures["seconds"]


@contextmanager
def running(root: Path, url: str, program: str = "callers.py") -> Iterator[Build]:
    """A build's process on an empty database, ready to be asked.

    Args:
        root: The build's files.
        url: The database.
        program: The file in `benchmarks` of this build that says what it can be asked for.
    """
    process = subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, str(ROOT / "benchmarks" / program), url],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        build = Build(process)
        build.answer()
        yield build
    finally:
        if process.stdin is not None:
            process.stdin.close()
        process.wait()
