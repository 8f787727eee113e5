"""Plans of a large shop, page by page, in a process of a build.

It runs in the root of any build, this one or an earlier one, and so uses nothing but what all of them have: the
migrations, the step `plan_page` and its contract. The shop is this build's, for all of them. `benchmarks.builds` starts
it: ``python benchmarks/planners.py DATABASE_URL``; it takes a task a line, as JSON, and answers each with a line.
"""

import dataclasses
import importlib
import importlib.util
import json
import os
import resource
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text
from temporalio.testing import ActivityEnvironment

_SHOP = Path(__file__).resolve().parent / "replenishment_shop.py"


class Planner:
    """A build's step that plans a page.

    Args:
        url: An empty database, which becomes the shop's.
    """

    def __init__(self, url: str) -> None:
        self._engine = _connect(url)
        self._steps: Any = None
        self._as_of: datetime | None = None
        self._after: Any = None
        self._pages = 0

    def fill(self, *, products: int, days: int, sales: int, as_of: str) -> dict[str, float]:
        """Write the shop, bring its demand up to date, and leave the database, so that it can be copied."""
        from database.demand import roll_up  # noqa: PLC0415 - the build's own
        from database.migrate import upgrade  # noqa: PLC0415

        now = datetime.fromisoformat(as_of)
        found = importlib.util.spec_from_file_location("benchmark_shop", _SHOP)
        if found is None or found.loader is None:
            raise ImportError(str(_SHOP))
        sys.modules["benchmark_shop"] = shops = importlib.util.module_from_spec(found)
        found.loader.exec_module(shops)
        upgrade(self._engine)
        shops.Shop(products, days, sales, now).fill(self._engine)
        with self._engine.begin() as connection:
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            roll_up(connection, now)
        self._engine.dispose()
        return {}

    def open(self, *, url: str) -> dict[str, float]:
        """Go to a copy of the shop's database, as a worker that has planned before: what is loaded once is loaded."""
        from activities.replenishment_plan import ReplenishmentPlanSteps  # noqa: PLC0415 - the build's own
        from database.sessions import Database  # noqa: PLC0415
        from stockkeeper.contracts import replenishment_plan as contract  # noqa: PLC0415

        if importlib.util.find_spec("stockkeeper.domain.planning") is not None:
            importlib.import_module("stockkeeper.domain.planning")
        self._engine.dispose()
        self._engine = _connect(url)
        self._steps = ReplenishmentPlanSteps(
            Database(self._engine),
            order_cost=contract.DEFAULT_ORDER_COST,
            holding_cost_rate=contract.DEFAULT_HOLDING_COST_RATE,
        )
        self._server_seconds()
        return {}

    def page(self, *, run: str, days: int, as_of: str) -> dict[str, Any]:
        """Plan the next page of the first warehouse.

        Returns:
            Whether it was the last one, how many items had their point changed, seconds by the clock and of the
            processor here and in PostgreSQL's process, and the most MiB that each of both has had.
        """
        from stockkeeper.contracts.replenishment_plan import PlanPageStep  # noqa: PLC0415 - the build's own

        self._pages += 1
        step = PlanPageStep(
            operation_id=f"{run}/plan/{self._pages}",
            performed_by="benchmark",
            as_of=datetime.fromisoformat(as_of),
            warehouse_id=1,
            after=self._after,
            history_days=days,
            service_level=0.95,
            order_cost=None,
            holding_cost_rate=None,
        )
        environment = ActivityEnvironment()
        environment.info = dataclasses.replace(environment.info, activity_type="plan_page")
        of_server, processor, began = self._server_seconds(), time.process_time(), time.perf_counter()
        planned = environment.run(self._steps.plan_page, step)
        seconds, worker = time.perf_counter() - began, time.process_time() - processor
        self._after = planned.after
        return {
            "last": planned.after is None,
            "planned": planned.planned,
            "changed": planned.changed,
            "seconds": seconds,
            "worker": worker,
            "server": self._server_seconds() - of_server,
            "worker_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            "server_mib": memory_of(self._server()),
        }

    def _server(self) -> int:
        with self._engine.connect() as connection:
            return int(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())

    def _server_seconds(self) -> float:
        try:
            fields = Path(f"/proc/{self._server()}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0.0
        # Times in user and in system mode are the 14th and 15th field; the first two were cut off.
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _connect(url: str) -> Engine:
    from database.sessions import connect  # noqa: PLC0415 - the build's own

    return connect(url)


def memory_of(process: int) -> int:
    """The most that a process of PostgreSQL's has had, in MiB, without what all of them share; 0: it can't be read."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0
    of = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines) if "kB" in rest}
    return (of["VmHWM"] - of["RssShmem"]) // 1024


def main(url: str) -> None:
    """Answer each line with a line, until there are no more."""
    planner = Planner(url)
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        task = json.loads(line)
        print(json.dumps(getattr(planner, task.pop("method"))(**task)), flush=True)


if __name__ == "__main__":
    # The build's root, which comes before this file's directory: that has modules of its own.
    sys.path[0] = "."
    main(sys.argv[1])
