"""A real NATS server, whose program comes in a wheel."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from devstack.processes import LOOPBACK, GuardedProcess, free_port
from tests.support.wire import eventually


class NatsServer:
    """NATS with JetStream on a loopback port; its data stay in the directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._port = free_port()
        self._process: GuardedProcess | None = None

    @property
    def url(self) -> str:
        """Where it is."""
        return f"nats://{LOOPBACK}:{self._port}"

    async def start(self) -> None:
        """Start it, and wait until it answers."""
        program = Path(sys.executable).with_name("nats-server")
        self._process = GuardedProcess.start(
            [program, "-a", LOOPBACK, "-p", str(self._port), "-js", "-sd", self._directory / "data"],
            log=self._directory / "nats.log",
            cwd=self._directory,
            stop_signal=signal.SIGTERM,
        )
        await eventually(self._answers, bool)

    async def stop(self) -> None:
        """Stop it, in good order."""
        if self._process is not None:
            await asyncio.to_thread(self._process.stop)
            self._process = None

    async def _answers(self) -> bool:
        try:
            _, writer = await asyncio.open_connection(LOOPBACK, self._port)
        except OSError:
            return False
        writer.close()
        return True


@asynccontextmanager
async def nats_server(directory: Path) -> AsyncIterator[NatsServer]:
    """Start one, and stop it at the end."""
    server = NatsServer(directory)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
