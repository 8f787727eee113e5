"""A worker's probes, while its database and its Temporal go away and come back."""

import asyncio
import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from sqlalchemy import Engine
from temporalio.client import Client

from activities.polls import Counters, read_counters
from devstack.processes import LOOPBACK, free_ports
from devstack.stack import StackInfo
from tests.faults.simulation.proxy import Doors, DoorSpec
from tests.faults.workplace import FORKS, worker_process, workers_environment
from tests.support.outages import Outages
from tests.support.shop import new_reference
from tests.support.wire import eventually

ALL = ["worker", "database", "schema", "temporal", "search_attributes", "work"]


class Probes:
    """The endpoint of one worker."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def get(self, path: str) -> tuple[int, dict[str, tuple[bool, str]]]:
        """The status, and each check; 0: nobody listens."""
        return await asyncio.to_thread(self._get, path)

    def _get(self, path: str) -> tuple[int, dict[str, tuple[bool, str]]]:
        try:
            with urllib.request.urlopen(f"http://{LOOPBACK}:{self._port}{path}") as answered:
                return answered.status, _checks(json.load(answered))
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, _checks(json.load(refused))
        except urllib.error.URLError:
            return 0, {}

    async def ready(self, wrong: set[str]) -> dict[str, tuple[bool, str]]:
        """Return once exactly these checks say no."""
        status, checks = await eventually(
            lambda: self.get("/readyz"), lambda seen: bool(seen[1]) and _wrong(seen[1]) == wrong
        )
        assert (status, [*checks]) == (503 if wrong else 200, ALL)
        return checks

    async def lives(self) -> None:
        """It asks for tasks, whatever is away."""
        status, checks = await self.get("/livez")
        assert (status, [*checks], _wrong(checks)) == (200, ["workflow_tasks", "activities"], set())


def _checks(body: dict[str, Any]) -> dict[str, tuple[bool, str]]:
    return {each["name"]: (each["ok"], each["reason"]) for each in body["checks"]}


def _wrong(checks: dict[str, tuple[bool, str]]) -> set[str]:
    return {name for name, (ok, _) in checks.items() if not ok}


async def test_a_worker_lives_through_outages_is_not_ready_meanwhile_and_is_again(
    stack: StackInfo, engine: Engine, our_client: Client, outages: Outages, tmp_path: Path
) -> None:
    del engine, our_client  # The schema and the search attributes are there.
    port, metrics, door = free_ports(3)
    probes = Probes(port)
    environment = workers_environment(
        stack.database_url, f"{LOOPBACK}:{door}", stack.namespace, new_reference("queue")
    ) | {
        "STOCKKEEPER_HEALTH_ADDRESS": f"{LOOPBACK}:{port}",
        "STOCKKEEPER_METRICS_ADDRESS": f"0.0.0.0:{metrics}",
    }

    async def counters() -> Counters:
        return await asyncio.to_thread(read_counters, (LOOPBACK, metrics))

    async with Doors(FORKS, [DoorSpec("temporal", door, int(stack.temporal_address.rpartition(":")[2]))]) as doors:
        worker = worker_process(environment, tmp_path / "worker.log")
        try:
            checks = await probes.ready(set())
            assert checks["worker"] == (True, "it works")
            await probes.lives()

            with outages.database_away():
                checks = await probes.ready({"database", "schema"})
                await probes.lives()
            assert checks["database"][1].startswith("the database is away: database ")
            assert checks["temporal"] == (True, "it answers")
            await probes.ready(set())

            await doors.do("temporal", "shut")
            checks = await probes.ready({"temporal", "search_attributes", "work"})
            assert checks["database"] == (True, "it answers")
            # Calls that fail count as well, and so a long outage is no reason to start a worker again.
            before = await counters()
            await eventually(counters, lambda seen: seen.for_workflows > before.for_workflows)
            await eventually(counters, lambda seen: seen.for_activities > before.for_activities)
            await probes.lives()
            await doors.do("temporal", "open")
            await probes.ready(set())

            worker.terminate()
            assert await worker.wait() == 0
            assert await probes.get("/livez") == (0, {})
        finally:
            worker.kill()
            await worker.wait()
