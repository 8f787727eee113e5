"""The console's pages with a large stock behind them: `python -m benchmarks.console`.

A hundred thousand items and ten million movements, with orders that wait and transfers on their way; a stack with
nothing else to do, whose worker is in this process, and the console in one of its own. Each page is asked for in turn
with all others, by one person, for another product each time: how long it takes, what it weighs the first time and once
its files are in the browser's cache, both packed, and the memory of the console's process.

It takes every page that the console has: those of documents by a number that there is; a page for which it knows none
is named and left out.
"""

import argparse
import asyncio
import contextlib
import math
import os
import random
import re
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import httpx
import psutil
from sqlalchemy import text

from benchmarks.ledger_scale import Ledger
from database.sessions import connect
from devstack.processes import free_port
from devstack.serve import serving
from devstack.stack import StackInfo
from starter.console.app import ROUTES
from stockkeeper import Line, OrderLine, Stockkeeper
from stockkeeper.client.connection import Connection, connect_plainly

REQUESTS = 200
"""Of each page: the 99th percentile is the third slowest."""
MOST_P50_MS, MOST_P99_MS = 100, 400
MOST_MB = 150
MOST_FIRST_KB, MOST_AFTER_KB = 100, 20
ORDERS, TRANSFERS = 40, 20
REPOSITORY = Path(__file__).parents[1]

_SUPPLY = text("""
    WITH named AS (INSERT INTO suppliers (name) VALUES ('Supplier') RETURNING supplier_id)
    INSERT INTO product_suppliers (product_id, supplier_id, is_preferred, unit_cost, lead_time_days)
    SELECT product_id, supplier_id, true, 2.40, 7 FROM products CROSS JOIN named
""")
_POINTS = text("""
    UPDATE inventory_items SET reorder_point = CASE WHEN item_id % 100 = 0 THEN 120 ELSE 20 END, reorder_quantity = 200
""")
_LINK = re.compile(r"""(?:src|href)=["'](/static/[^"']+)["']""")
_NUMBERS = {
    "/transfer/": "T-1",
    "/receive/po/": "PO-1",
    "/dispatch/": "T-0",
    "/po/": "PO-0",
    "/adjust/": "A-0",
    "/pick/": "O-0",
    "/count/": "C-0",
    "/return/": "R-0",
    "/inspection/": "I-0",
}
"""A document for each kind of page, by the first part of its address that fits."""
_NAME = re.compile(r"\{(\w+)(?::\w+)?\}")


@dataclass
class Page:
    """One page, and what was measured of it.

    Attributes:
        path: Its path, with ``{names}``.
        seconds: How long each request took.
        first_bytes: The page with the files that it names, packed.
        after_bytes: The page alone, packed.
        refused: The status of an answer that wasn't the page; None: each was.
    """

    path: str
    seconds: list[float] = field(default_factory=list)
    first_bytes: int = 0
    after_bytes: int = 0
    refused: int | None = None

    def at(self, share: float) -> float:
        """The time within which this share of the requests was answered, in milliseconds."""
        rank = math.ceil(share * len(self.seconds)) - 1
        return 1e3 * sorted(self.seconds)[rank]


async def documents(stock: Stockkeeper, products: int) -> Mapping[str, str]:
    """Orders that wait for approval, orders that are on their way, and transfers; the number of one of each kind."""
    chance = random.Random(5)

    def some() -> str:
        return f"SKU-{chance.randint(1, products)}"

    async def order(number: int) -> None:
        lines = [OrderLine(sku, qty=500, unit_cost=Decimal("2.40")) for sku in sorted({some() for _ in range(5)})]
        drafted = await stock.draft_purchase_order(
            f"PO-{number}",
            lines,
            supplier_id="Supplier",
            warehouse_id=f"Warehouse {1 + number % 10}",
            requested_by="planning",
            reason="below the reorder point",
        )
        if number % 2:
            await drafted.approve(approver="ann")

    async def transfer(number: int) -> None:
        moved = await stock.create_transfer(
            f"T-{number}",
            [Line(some(), quantity=5)],
            from_warehouse_id=f"Warehouse {1 + number % 10}",
            to_warehouse_id=f"Warehouse {1 + (number + 1) % 10}",
            requested_by="planning",
        )
        if number % 2:
            await moved.dispatch(performed_by="gate")

    await asyncio.gather(*(order(number) for number in range(ORDERS)))
    await asyncio.gather(*(transfer(number) for number in range(TRANSFERS)))
    await stock.adjust(
        "A-0",
        [Line(some(), quantity=1_000)],
        warehouse_id="Warehouse 1",
        reason="found behind the shelf",
        performed_by="tom",
    )
    await stock.reserve("O-0", [Line(some(), "Warehouse 1", quantity=2)], performed_by="shop", ttl_minutes=600)
    counted = sorted({some() for _ in range(20)})
    await stock.open_count("C-0", counted, warehouse_id="Warehouse 1", requested_by="planning")
    a_line = [Line(some(), quantity=1)]
    await stock.create_return("R-0", a_line, warehouse_id="Warehouse 1", reference_id="O-1", performed_by="shop")
    await stock.open_inspection("I-0", a_line, warehouse_id="Warehouse 1", reason="torn boxes", performed_by="tom")
    return _NUMBERS


def paths(path: str, numbers: Mapping[str, str], products: int, chance: random.Random) -> str | None:
    """A page's address, of any product; None: it needs a document of a kind that isn't there."""
    values = {"sku": f"SKU-{chance.randint(1, products)}", "warehouse": str(chance.randint(1, 10))}
    values |= {"product": values["sku"], "place": "1"}
    known = next((number for kind, number in numbers.items() if kind in path), None)
    if known is not None:
        values["number"] = known
    names = _NAME.findall(path)
    if any(name not in values for name in names):
        return None
    filled = _NAME.sub(lambda found: values[found[1]], path)
    return f"{filled}?q=Product+{chance.randint(1, 9)}" if path == "/stock" else filled


@contextlib.asynccontextmanager
async def console(stack: StackInfo, folder: Path) -> AsyncIterator[tuple[str, psutil.Process]]:
    """A console of its own; the link of somebody who may look at everything, and the process."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("STOCKKEEPER_", "TEMPORAL_"))}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "starter", "console", "--port", str(free_port()), "--person", "ann"),
        cwd=folder,
        env=ours
        | {
            "PYTHONPATH": str(REPOSITORY),
            "TEMPORAL_ADDRESS": stack.temporal_address,
            "TEMPORAL_NAMESPACE": stack.namespace,
            "STOCKKEEPER_TASK_QUEUE": stack.task_queue,
            "COLUMNS": "200",
        },
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        link = ""
        async for line in process.stdout or asyncio.StreamReader():
            if found := re.search(rb"http://\S+/sign-in\?key=\S+", line):
                link = found[0].decode()
            if b"Ctrl-C" in line:
                break
        if not link:
            raise RuntimeError("the console didn't come up")
        yield link, psutil.Process(process.pid)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def measure(link: str, numbers: Mapping[str, str], products: int, requests: int) -> tuple[list[Page], list[str]]:
    """Every page, in turn with all others; and those for which there is no document."""
    chance = random.Random(6)
    looked = [route.path for route in ROUTES if route.method == "GET"]
    pages = [Page(path) for path in looked if paths(path, numbers, products, chance)]
    async with httpx.AsyncClient(timeout=60, headers={"Accept-Encoding": "gzip"}) as http:
        await http.get(link)
        base = link.partition("/sign-in")[0]
        files: dict[str, int] = {}
        for turn in range(-1, requests):
            for page in chance.sample(pages, len(pages)):
                if page.refused:
                    continue
                address = base + (paths(page.path, numbers, products, chance) or "")
                began = time.perf_counter()
                async with http.stream("GET", address) as answered:
                    if answered.status_code != 200 or "event-stream" in answered.headers["content-type"]:
                        page.refused = answered.status_code
                        continue
                    source = (await answered.aread()).decode(errors="replace")
                    took = time.perf_counter() - began
                    page.after_bytes = max(page.after_bytes, answered.num_bytes_downloaded)
                if turn < 0:
                    # The first time is for what is read once: templates, words, connections.
                    for file in {*_LINK.findall(source)} - files.keys():
                        files[file] = (await http.get(base + file)).num_bytes_downloaded
                else:
                    page.seconds.append(took)
                linked = sum(files.get(file, 0) for file in {*_LINK.findall(source)})
                page.first_bytes = max(page.first_bytes, answered.num_bytes_downloaded + linked)
    left_out = [path for path in looked if path not in {page.path for page in pages}]
    left_out += [f"{page.path} ({page.refused})" for page in pages if page.refused]
    return [page for page in pages if page.seconds], left_out


def report(pages: Sequence[Page], left_out: Sequence[str], megabytes: float) -> str:
    """The table, and what isn't reached."""
    lines = ["| page | p50, ms | p99, ms | first load, kB | after, kB |", "|---|---:|---:|---:|---:|"]
    for page in sorted(pages, key=lambda each: each.path):
        figures = (page.at(0.5), page.at(0.99), page.first_bytes / 1e3, page.after_bytes / 1e3)
        most = (MOST_P50_MS, MOST_P99_MS, MOST_FIRST_KB, MOST_AFTER_KB)
        told = [
            f"**{value:.1f}**" if value > limit else f"{value:.1f}" for value, limit in zip(figures, most, strict=True)
        ]
        lines.append(f"| `{page.path}` | {' | '.join(told)} |")
    lines.append(f"| *at most* | {MOST_P50_MS} | {MOST_P99_MS} | {MOST_FIRST_KB} | {MOST_AFTER_KB} |")
    lines.append("")
    lines.append(f"The console's process: {megabytes:.0f} MB, of {MOST_MB} at most. Bold is above its bar.")
    if left_out:
        lines.append(f"Not measured: {', '.join(left_out)}.")
    return "\n".join(lines)


async def run(given: argparse.Namespace) -> str:
    """Fill the stack, and measure."""
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        async with serving(folder / "data", fast=True, environ={}) as stack:
            engine = connect(stack.database_url, pool_size=2)
            ledger = Ledger(engine, given.items, given.movements, datetime.now(UTC) - timedelta(days=366))
            took = await asyncio.to_thread(ledger.fill)
            with engine.begin() as connection:
                connection.execute(text("SET LOCAL session_replication_role = replica"))
                connection.execute(text("SET LOCAL statement_timeout = 0"))
                connection.execute(_SUPPLY)
                connection.execute(_POINTS)
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(text("SET statement_timeout = 0"))
                connection.execute(text("VACUUM (ANALYZE)"))
            engine.dispose()
            print(f"{given.movements:,} movements of {given.items:,} items written in {took:.0f} s\n", flush=True)
            client = await connect_plainly(stack.temporal_address, stack.namespace)
            numbers = await documents(Stockkeeper(Connection(client, stack.task_queue)), ledger.products)
            async with console(stack, folder) as (link, process):
                pages, left_out = await measure(link, numbers, ledger.products, given.requests)
                return report(pages, left_out, process.memory_info().rss / 1e6)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.console")
    parser.add_argument("--items", type=int, default=100_000, help="ten warehouses have a tenth of these each")
    parser.add_argument("--movements", type=int, default=10_000_000)
    parser.add_argument("--requests", type=int, default=REQUESTS, help="of each page")
    print(asyncio.run(run(parser.parse_args(arguments))))


if __name__ == "__main__":
    main()
