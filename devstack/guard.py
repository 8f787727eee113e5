"""Runs one program for a parent process, and sees to it that the program never outlives that parent.

    python guard.py --stop-signal INT --grace-seconds 10 [--user NAME] -- PROGRAM [ARGUMENT...]

The parent holds the other end of the guard's standard input and writes nothing to it. When that end closes, the parent
either wants the program stopped or is dead, of SIGKILL even, and the guard does the same for both: the stop signal, a
grace, then SIGKILL for the program's process group. SIGTERM to the guard asks for the same stop.

The guard exits with the program's status, or with 128 + N when signal N ended it, as a shell would.

It starts before every embedded server, so it imports only the standard library and little of it.
"""

import argparse
import contextlib
import os
import pwd
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence

STDIN = 0
CANNOT_START = 127


def supervise(
    command: Sequence[str], *, stop_signal: signal.Signals, grace_seconds: float, user: str | None = None
) -> int:
    """Runs the command until it exits, or until the parent lets go of standard input or SIGTERM comes.

    Args:
        command: The program and its arguments.
        stop_signal: What asks the program to stop in good order.
        grace_seconds: How long it may take over that before it is killed.
        user: The name of the account it runs as; None for the guard's own.

    Returns:
        The program's exit status, or 128 + the number of the signal that ended it.

    Raises:
        OSError: The program could not be started.
    """
    with _signals_on_a_pipe(signal.SIGCHLD, signal.SIGTERM) as signals:
        child = _start(command, stop_signal, user)
        _wait_for_exit_or_stop_request(child, signals)
        if child.poll() is None:
            _stop(child, stop_signal, grace_seconds)
    return child.returncode if child.returncode >= 0 else 128 - child.returncode


@contextlib.contextmanager
def _signals_on_a_pipe(*signals: signal.Signals) -> Iterator[int]:
    """A descriptor on which each of these signals is a byte, so that one select waits for signals and the parent."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing)
    previous = {each: signal.signal(each, _leave_to_the_pipe) for each in signals}
    try:
        yield reading
    finally:
        for each, handler in previous.items():
            signal.signal(each, handler)
        signal.set_wakeup_fd(-1)
        os.close(reading)
        os.close(writing)


def _leave_to_the_pipe(_signal: int, _frame: object) -> None:
    """Python writes the byte itself, but only for a signal that has a handler."""


def _start(command: Sequence[str], stop_signal: signal.Signals, user: str | None) -> "subprocess.Popen[bytes]":
    account = pwd.getpwnam(user) if user else None
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        # What the parent chose to pass on, such as a lock, reaches the program too.
        close_fds=False,
        process_group=0,
        user=account.pw_uid if account else None,
        group=account.pw_gid if account else None,
        extra_groups=[] if account else None,
        preexec_fn=_stop_when_the_guard_dies(stop_signal),  # noqa: PLW1509 the guard has one thread
    )


def _stop_when_the_guard_dies(stop_signal: signal.Signals) -> Callable[[], None] | None:
    """On Linux the kernel can stop the program even when the guard itself is killed; elsewhere nothing can."""
    if sys.platform != "linux":
        return None
    import ctypes  # noqa: PLC0415 costs a fifth of the start, and only here it buys something

    set_parent_death_signal = 1
    prctl = ctypes.CDLL(None).prctl
    guard = os.getpid()

    def ask_the_kernel() -> None:
        prctl(set_parent_death_signal, int(stop_signal))
        if os.getppid() != guard:
            os.kill(os.getpid(), signal.SIGKILL)

    return ask_the_kernel


def _wait_for_exit_or_stop_request(child: "subprocess.Popen[bytes]", signals: int) -> None:
    while child.poll() is None:
        readable, _, _ = select.select([STDIN, signals], [], [])
        if STDIN in readable and not os.read(STDIN, 1024):
            return
        if signals in readable and signal.SIGTERM in os.read(signals, 1024):
            return


def _stop(child: "subprocess.Popen[bytes]", stop_signal: signal.Signals, grace_seconds: float) -> None:
    child.send_signal(stop_signal)
    try:
        child.wait(grace_seconds)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def main() -> int:
    """Reads the command line and supervises the program on it."""
    parser = argparse.ArgumentParser(prog="guard", description="Runs a program that never outlives its parent.")
    parser.add_argument("--stop-signal", default="INT", type=lambda name: signal.Signals[f"SIG{name}"])
    parser.add_argument("--grace-seconds", default=10.0, type=float)
    parser.add_argument("--user")
    parser.add_argument("command", nargs="+", metavar="PROGRAM [ARGUMENT...]")
    options = parser.parse_args()
    try:
        return supervise(
            options.command,
            stop_signal=options.stop_signal,
            grace_seconds=options.grace_seconds,
            user=options.user,
        )
    except OSError as error:
        sys.stderr.write(f"{options.command[0]} does not start: {error}\n")
        return CANNOT_START


if __name__ == "__main__":
    sys.exit(main())
