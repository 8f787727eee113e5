"""Programs started under a guard, and the ports they listen on."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

from devstack import guard
from stockkeeper.contracts.errors import StockkeeperError

LOOPBACK = "127.0.0.1"
POLL_SECONDS = 0.02


class StackError(StockkeeperError):
    """The stack cannot run; the message is for the person who asked for it."""


class GuardedProcess:
    """A program and its guard, which stops it on request or as soon as this process is gone."""

    def __init__(self, guard_process: "subprocess.Popen[bytes]", log: Path) -> None:
        self._guard = guard_process
        self._log = log

    @classmethod
    def start(
        cls,
        command: Sequence[str | Path],
        *,
        log: Path,
        cwd: Path,
        environment: Mapping[str, str] | None = None,
        stop_signal: signal.Signals = signal.SIGINT,
        grace_seconds: float = 10.0,
        user: str | None = None,
        inherit: Sequence[int] = (),
    ) -> Self:
        """Starts the program and returns at once.

        Args:
            command: The program and its arguments.
            log: Takes the program's output; what an earlier run left in it is dropped.
            cwd: The directory it works in.
            environment: Its variables beside the few that programs need to be found and loaded.
            stop_signal: What asks it to stop in good order.
            grace_seconds: How long it may take over that before it is killed.
            user: The account it runs as; None for this process's own.
            inherit: Descriptors it keeps open for as long as it, or a child of it, lives.
        """
        with log.open("wb") as output:
            guard_process = subprocess.Popen(
                [
                    # Isolated and without site-packages: the guard needs neither, and starts twice as fast.
                    *(sys.executable, "-I", "-S", guard.__file__),
                    *("--stop-signal", stop_signal.name.removeprefix("SIG")),
                    *("--grace-seconds", str(grace_seconds)),
                    *(("--user", user) if user else ()),
                    "--",
                    *map(str, command),
                ],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env=_environment(environment or {}),
                pass_fds=inherit,
                start_new_session=True,
            )
        return cls(guard_process, log)

    def stop(self) -> None:
        """Asks the program to stop, waits until it has, and kills it once its grace is over."""
        if self._guard.stdin is not None:
            self._guard.stdin.close()
        self._guard.wait()

    def wait(self) -> int:
        """Waits until the program ends by itself, and returns its exit status."""
        status = self._guard.wait()
        self.stop()
        return status

    @property
    def is_alive(self) -> bool:
        """Whether the program is still running."""
        return self.exit_status is None

    @property
    def exit_status(self) -> int | None:
        """The program's exit status, 128 + N if signal N ended it, None while it runs."""
        return self._guard.poll()

    def wait_until_ready(self, what: str, not_ready: Callable[[], str | None], timeout_seconds: float) -> None:
        """Polls until the program answers.

        Args:
            what: The program's name in messages.
            not_ready: Asks the program, and returns the reason why it isn't ready, or None if it answered.
            timeout_seconds: How long to keep asking.

        Raises:
            StackError: It ended, or did not answer in time; with the last lines of its log.
        """
        deadline = time.monotonic() + timeout_seconds
        while (problem := not_ready()) is not None:
            if not self.is_alive:
                raise StackError(f"{what} ended with status {self.exit_status} at its start:\n{self.log_tail()}")
            if time.monotonic() > deadline:
                raise StackError(f"{what} is not ready after {timeout_seconds:g} s ({problem}):\n{self.log_tail()}")
            time.sleep(POLL_SECONDS)

    def log_tail(self, lines: int = 10) -> str:
        """The last lines of the log, indented to stand below a message."""
        text = self._log.read_text(errors="replace").splitlines()[-lines:]
        return "\n".join(f"  {line}" for line in text) or "  (it logged nothing)"


def _environment(extra: Mapping[str, str]) -> dict[str, str]:
    """Only what finding and loading a program takes: a PGPORT of the caller's, say, is not meant for the program."""
    kept = ("PATH", "LD_LIBRARY_PATH")
    return {name: os.environ[name] for name in kept if name in os.environ} | dict(extra)


def free_port() -> int:
    """A loopback port without a listener at the moment."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """``count`` different free loopback ports."""
    with contextlib.ExitStack() as held:
        # All stay bound until the last is found, so that none is found twice.
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind((LOOPBACK, 0))
        return [each.getsockname()[1] for each in sockets]


def free_or_none(port: int) -> int | None:
    """This loopback port if it can be listened on now, and otherwise none."""
    try:
        require_free_port(port, "")
    except StackError:
        return None
    return port


def require_free_port(port: int, option: str) -> None:
    """Checks that a loopback port can be listened on.

    Args:
        port: The port asked for.
        option: The command line option that chooses it, such as `--temporal-port`.

    Raises:
        StackError: Another process listens on it, or this account may not listen there.
    """
    with socket.socket() as probe:
        # Connections of an earlier run may linger on the port; the servers don't mind them either.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen()
        except OverflowError:
            raise StackError(f"port {port} does not exist: choose one up to 65535 with {option}") from None
        except PermissionError:
            raise StackError(f"port {port} is not permitted: choose another with {option}") from None
        except OSError:
            raise StackError(f"port {port} is taken: choose another with {option}") from None
