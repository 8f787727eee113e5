"""Which processes there are."""

import time
from collections.abc import Callable, Collection

import psutil

PATIENCE_SECONDS = 60.0


def guards() -> set[int]:
    """What this process itself has started: a guard for each embedded server."""
    return {child.pid for child in psutil.Process().children() if runs(child.pid)}


def below(*pids: int) -> set[int]:
    """Everything that was started below these processes."""
    children = (child for pid in pids for child in psutil.Process(pid).children(recursive=True))
    return {child.pid for child in children if runs(child.pid)}


def runs(pid: int) -> bool:
    """Whether a process runs; one that only waits to be collected does not."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def command_line(pid: int) -> list[str]:
    """A process's program and arguments; nothing if it has ended."""
    try:
        words: list[str] = psutil.Process(pid).cmdline()
    except psutil.NoSuchProcess:
        return []
    return words


def listening_addresses(*pids: int) -> set[str]:
    """The addresses on which these processes accept connections."""
    return {
        connection.laddr.ip
        for connection in psutil.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN and connection.pid in pids
    }


def all_gone(pids: Collection[int]) -> bool:
    """Waits until none of the processes runs; False when that takes too long."""
    return comes_true(lambda: not any(runs(pid) for pid in pids))


def comes_true(condition: Callable[[], bool]) -> bool:
    """Polls a condition; False when it takes too long."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
