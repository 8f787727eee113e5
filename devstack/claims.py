"""Claims on data directories: one owner at a time, and none while an earlier owner's programs still run."""

import fcntl
import os
import time
from pathlib import Path

from devstack.processes import POLL_SECONDS, StackError


class DirectoryClaim:
    """The right to run programs on a directory, for as long as this process lives or until it is released.

    There are two locks, and the kernel lets go of each with the last process that holds it. `owner.lock` is this
    process's alone: a second process that finds it taken is refused. `programs.lock` is passed on to the programs:
    after the owner was killed it stays taken until the last of them is gone, which their guards see to, and the next
    owner waits.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._locks: list[int] = []

    def take(self, timeout_seconds: float) -> int:
        """Takes the claim, if need be after an earlier owner's programs have stopped.

        The directory is created if absent, as is what leads to it, for this account only. An attempt that failed is to
        be released as well.

        Args:
            timeout_seconds: How long to wait for those programs.

        Returns:
            The descriptor that every program on this directory has to inherit.

        Raises:
            StackError: The directory has an owner, its programs did not stop in time, or it can't be written to.
        """
        try:
            for directory in (*reversed(self._directory.parents), self._directory):
                directory.mkdir(mode=0o700, exist_ok=True)
            return self._lock(timeout_seconds)
        except OSError as error:
            raise StackError(f"{self._directory} can't be used: {error.strerror}") from None

    def release(self) -> None:
        """Gives the claim up; a claim that was never taken may be released too."""
        while self._locks:
            os.close(self._locks.pop())

    def _lock(self, timeout_seconds: float) -> int:
        if not _try_lock(self._open("owner.lock")):
            raise StackError(f"{self._directory} is in use by a stack that runs: stop that or choose another directory")
        programs = self._open("programs.lock")
        deadline = time.monotonic() + timeout_seconds
        while not _try_lock(programs):
            if time.monotonic() > deadline:
                raise StackError(f"{self._directory} is in use by programs of a stack that was killed")
            time.sleep(POLL_SECONDS)
        return programs

    def _open(self, name: str) -> int:
        descriptor = os.open(self._directory / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._locks.append(descriptor)
        return descriptor


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
