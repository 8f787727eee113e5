"""The services of docker-compose.yml without containers: `python -m devstack.topology`.

The same environment files, the same passwords in files, the same script for roles and databases, the same settings of
Temporal. What a container engine gives is made up for: the names of services become loopback addresses, and the mounted
secrets a directory. In place of Temporal's server, whose program no package registry has, stands its dev server.
"""

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from random import SystemRandom
from urllib.error import URLError
from urllib.request import urlopen

from dotenv import dotenv_values
from ruamel.yaml import YAML
from sqlalchemy import make_url

from devstack.postgres import PROGRAMS
from devstack.processes import LOOPBACK, GuardedProcess, StackError, free_or_none
from devstack.stack import StackInfo, running_stack
from devstack.temporal import DYNAMIC_CONFIG

REPOSITORY = Path(__file__).parents[1]
DEPLOY = REPOSITORY / "deploy"
DATA_DIR = Path(".stockkeeper/topology")
WORKERS = 2
POSTGRESQL, TEMPORAL = "postgresql:5432", "temporal:7233"
SECRETS = "/run/secrets"
METRICS, HEALTH = "0.0.0.0:9464", "0.0.0.0:8086"
CONSOLE = "localhost:8090"
_WATCH_SECONDS = 0.5
_READY_SECONDS = 60.0
_QUIET = range(20_000, 30_000)


@dataclass(frozen=True)
class Topology:
    """Where everything of it is.

    Attributes:
        postgresql: Host and port; roles and passwords are those of the environment files.
        temporal: Host and port of Temporal's gRPC service.
        namespace: The Temporal namespace.
        ui_url: Temporal's Web UI; None without one.
        workers: Host and port of each worker's health endpoint.
        metrics: Host and port of each worker's Prometheus endpoint.
        console: The console's address.
    """

    postgresql: str
    temporal: str
    namespace: str
    ui_url: str | None
    workers: Sequence[str]
    metrics: Sequence[str]
    console: str


@asynccontextmanager
async def running_topology(
    data_dir: Path,
    *,
    secrets: Path | None = None,
    deploy: Path = DEPLOY,
    workers: int = WORKERS,
    fast: bool = False,
    headless: bool = False,
) -> AsyncIterator[Topology]:
    """Brings all services up, in the order of docker-compose.yml, and stops them on leaving.

    Args:
        data_dir: An absolute path; keeps data, logs and, unless given, the secrets; is created if absent.
        secrets: The directory of the passwords, each in a file; those that are missing are made.
        deploy: The directory of the environment files and scripts.
        workers: How many workers.
        fast: For throwaway data: PostgreSQL's commits don't wait for the disk.
        headless: Leaves the Web UI out.

    Raises:
        StackError: A service doesn't come up, or ends while the others run.
    """
    secrets = secrets or data_dir / "secrets"
    await asyncio.to_thread(_run, ["/bin/sh", deploy / "make-secrets", secrets], {})
    shared = _variables(deploy / "env" / "stockkeeper.env")
    async with AsyncExitStack() as running:
        stack = await running.enter_async_context(
            running_stack(
                data_dir,
                fast=fast,
                headless=headless,
                dynamic_config={**DYNAMIC_CONFIG, **_dynamic_config(deploy / "temporal" / "dynamicconfig.yaml")},
                environ={"TEMPORAL_NAMESPACE": shared["TEMPORAL_NAMESPACE"]},
            )
        )
        places = {POSTGRESQL: _place_of(stack), TEMPORAL: stack.temporal_address, SECRETS: str(secrets)}
        await asyncio.to_thread(_run, ["/bin/sh", deploy / "postgresql" / "roles.sh"], _superuser(stack, secrets))
        setup = _moved(shared | _variables(deploy / "env" / "setup.env"), places)
        await asyncio.to_thread(_run, [sys.executable, "-m", "starter", "setup"], {"HOME": str(data_dir)} | setup)
        settings = shared | _variables(deploy / "env" / "worker.env")
        ports = _quiet_ports(2 * workers + 1)
        started = [
            _Worker.start(number, (ports.pop(), ports.pop()), settings, places, data_dir, running)
            for number in range(1, workers + 1)
        ]
        for worker in started:
            await asyncio.to_thread(worker.wait_until_ready)
        console = _Console.start(
            ports.pop(), shared | _variables(deploy / "env" / "console.env"), places, data_dir, running
        )
        await asyncio.to_thread(console.wait_until_ready)
        async with asyncio.TaskGroup() as watching:
            watch = watching.create_task(_end_with_the_first([*started, console]))
            yield Topology(
                postgresql=places[POSTGRESQL],
                temporal=stack.temporal_address,
                namespace=stack.namespace,
                ui_url=stack.ui_url,
                workers=[worker.health for worker in started],
                metrics=[worker.metrics for worker in started],
                console=console.url,
            )
            watch.cancel()


@dataclass(frozen=True)
class _Worker:
    """One `python worker.py`, with ports of its own."""

    name: str
    process: GuardedProcess
    health: str
    metrics: str

    @classmethod
    def start(
        cls,
        number: int,
        ports: tuple[int, int],
        settings: Mapping[str, str],
        places: Mapping[str, str],
        data_dir: Path,
        running: AsyncExitStack,
    ) -> "_Worker":
        name = f"worker-{number}"
        health, metrics = (f"{LOOPBACK}:{port}" for port in ports)
        process = GuardedProcess.start(
            [sys.executable, "worker.py"],
            log=data_dir / f"{name}.log",
            cwd=REPOSITORY,
            # Profiles and settings of the person who starts it are not for it.
            environment={"HOME": str(data_dir)} | _moved(settings, {**places, METRICS: metrics, HEALTH: health}),
            # As a container engine stops it.
            stop_signal=signal.SIGTERM,
            grace_seconds=30,
        )
        running.push_async_callback(asyncio.to_thread, process.stop)
        return cls(name, process, health, metrics)

    def wait_until_ready(self) -> None:
        self.process.wait_until_ready(self.name, self._why_not_ready, _READY_SECONDS)

    def _why_not_ready(self) -> str | None:
        try:
            with urlopen(f"http://{self.health}/readyz", timeout=5):
                return None
        except (URLError, OSError) as error:
            return str(error)


@dataclass(frozen=True)
class _Console:
    """`stockkeeper console`, with a port of its own, on this machine's loopback."""

    name: str
    process: GuardedProcess
    url: str

    @classmethod
    def start(
        cls,
        port: int,
        settings: Mapping[str, str],
        places: Mapping[str, str],
        data_dir: Path,
        running: AsyncExitStack,
    ) -> "_Console":
        moved = _moved(settings, {**places, CONSOLE: f"localhost:{port}"})
        process = GuardedProcess.start(
            [sys.executable, "-m", "starter", "console", "--port", str(port)],
            log=data_dir / "console.log",
            cwd=REPOSITORY,
            environment={"HOME": str(data_dir)} | moved,
            stop_signal=signal.SIGTERM,
            grace_seconds=10,
        )
        running.push_async_callback(asyncio.to_thread, process.stop)
        return cls("console", process, moved["STOCKKEEPER_CONSOLE_URL"])

    def wait_until_ready(self) -> None:
        self.process.wait_until_ready(self.name, self._why_not_ready, _READY_SECONDS)

    def _why_not_ready(self) -> str | None:
        try:
            with urlopen(f"{self.url}/healthz", timeout=5):  # noqa: S310 - its scheme is in the settings
                return None
        except (URLError, OSError) as error:
            return str(error)


async def _end_with_the_first(services: Sequence[_Worker | _Console]) -> None:
    """Wait until one of them has ended by itself: nobody should take the rest for all of them."""
    while all(service.process.is_alive for service in services):  # noqa: ASYNC110 - a process has no event
        await asyncio.sleep(_WATCH_SECONDS)
    ended = next(service for service in services if not service.process.is_alive)
    raise StackError(f"{ended.name} ended with status {ended.process.exit_status}:\n{ended.process.log_tail()}")


def _quiet_ports(count: int) -> list[int]:
    """Free loopback ports below those that connections get: a worker listens only seconds after it was started."""
    free = (port for port in SystemRandom().sample(_QUIET, len(_QUIET)) if free_or_none(port))
    return list(islice(free, count))


def _variables(path: Path) -> dict[str, str]:
    """An environment file, as Compose reads it."""
    return {name: value for name, value in dotenv_values(path, interpolate=False).items() if value is not None}


def _moved(variables: Mapping[str, str], places: Mapping[str, str]) -> dict[str, str]:
    """The variables with the places of here instead of those among containers."""
    moved = dict(variables)
    for there, here in places.items():
        moved = {name: value.replace(there, here) for name, value in moved.items()}
    return moved


def _dynamic_config(path: Path) -> dict[str, object]:
    """Temporal's settings; in this file each has one value, for everything."""
    settings: Mapping[str, Sequence[Mapping[str, object]]] = YAML(typ="safe").load(path)
    return {name: values[0]["value"] for name, values in settings.items()}


def _place_of(stack: StackInfo) -> str:
    url = make_url(stack.database_url)
    return f"{url.host}:{url.port}"


def _superuser(stack: StackInfo, secrets: Path) -> dict[str, str]:
    """The variables of the embedded PostgreSQL's superuser, for psql, which comes with it."""
    url = make_url(stack.database_url)
    return {
        "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}",
        "PGHOST": str(url.host),
        "PGPORT": str(url.port),
        "PGUSER": str(url.username),
        "PGPASSWORD": str(url.password),
        "SECRETS": str(secrets),
    }


def _run(command: Sequence[str | Path], variables: Mapping[str, str]) -> None:
    """Runs to its end what the others need to have been done.

    Raises:
        StackError: It failed; with its last lines.
    """
    done = subprocess.run(
        [str(word) for word in command],
        cwd=REPOSITORY,
        env={"PATH": os.environ["PATH"]} | dict(variables),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        said = "\n".join(f"  {line}" for line in (done.stdout + done.stderr).splitlines()[-10:])
        raise StackError(f"{' '.join(str(word) for word in command)} ended with status {done.returncode}:\n{said}")


async def _until_stopped(options: argparse.Namespace) -> None:
    stop = asyncio.Event()
    for signum in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    async with running_topology(
        options.data_dir,
        secrets=options.secrets,
        deploy=options.deploy,
        workers=options.workers,
        fast=options.fast,
        headless=options.headless,
    ) as topology:
        told = json.dumps(asdict(topology), indent=2)
        # Before it is said: whoever waits for the line reads the file at once.
        if options.ready_file:
            options.ready_file.write_text(told)
        sys.stdout.write(f"{told}\nup; Ctrl-C stops it\n")
        sys.stdout.flush()
        await stop.wait()


def _path(text: str) -> Path:
    """A path that is the same in every program, whichever directory it works in."""
    return Path(text).absolute()


def main() -> None:
    """Runs it until Ctrl-C or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m devstack.topology", description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--data-dir", type=_path, default=_path(str(DATA_DIR)), help="keeps the data and logs; survives restarts"
    )
    parser.add_argument("--secrets", type=_path, help="the passwords' directory; unless given, one with the data")
    parser.add_argument("--deploy", type=_path, default=DEPLOY, help="the directory of the environment files")
    parser.add_argument("--workers", type=int, default=WORKERS, help="how many workers")
    parser.add_argument("--ready-file", type=Path, help="written when all is up: its addresses, JSON")
    parser.add_argument("--fast", action="store_true", help="for throwaway data: commits don't wait for the disk")
    parser.add_argument("--headless", action="store_true", help="without Temporal's Web UI")
    try:
        asyncio.run(_until_stopped(parser.parse_args()))
    except* StackError as errors:
        sys.exit("\n".join(str(error) for error in errors.exceptions))


if __name__ == "__main__":
    main()
