"""Common base of the embedded servers: one directory, one owner, one guarded program."""

from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from devstack.claims import DirectoryClaim
from devstack.processes import GuardedProcess

READY_TIMEOUT_SECONDS = 60.0
"""After a crash there may be a log to replay before the first answer."""


class EmbeddedServer(ABC):
    """A server that keeps everything in its directory, and runs for as long as its owner wants or lives."""

    name: ClassVar[str]
    log_name: ClassVar[str]
    """The file in its directory that takes the program's output."""
    stop_grace_seconds: ClassVar[float]
    """How long it may take to stop in good order, and how long the next owner waits for an earlier one's to do so."""

    def __init__(self, data_dir: Path) -> None:
        self._directory = data_dir.absolute()
        self._claim = DirectoryClaim(self._directory)
        self._process: GuardedProcess | None = None

    def start(self) -> None:
        """Brings the server up and returns once it answers; not from within a running event loop.

        Raises:
            StackError: A port is taken, the directory is in use, or the server does not come up.
        """
        try:
            self._process = self._run(self._claim.take(self.stop_grace_seconds))
            self._process.wait_until_ready(self.name, self._why_not_ready, READY_TIMEOUT_SECONDS)
            self._once_ready()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stops the server in good order and gives the directory up; without harm when it isn't running."""
        if self._process is not None:
            self._process.stop()
            self._process = None
        self._claim.release()

    @property
    def log(self) -> Path:
        """The file that takes the program's output."""
        return self._directory / self.log_name

    @property
    def is_alive(self) -> bool:
        """Whether it has been started and still runs."""
        return self._process is not None and self._process.is_alive

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @abstractmethod
    def _run(self, claim: int) -> GuardedProcess:
        """Starts the program, which keeps the claim's descriptor open."""

    @abstractmethod
    def _why_not_ready(self) -> str | None:
        """The reason why the server doesn't answer yet; None once it does."""

    def _once_ready(self) -> None:  # noqa: B027 - not every server needs it
        """Set the server up, once it answers for the first time."""
