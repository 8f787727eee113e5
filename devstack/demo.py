"""`stockkeeper demo`: the processes end to end, as their callers use them, on a stack of its own.

Each scene does something as a service would, states the expected outcome, and compares. Everything goes through the
contract. The last scene is the product's own audit, which compares all that the others have booked.
"""

import asyncio
import signal
import tempfile
import time
from importlib import import_module, resources
from importlib.util import find_spec
from pathlib import Path

from rich.markup import escape

from devstack.scenes import replenishment_plan
from devstack.scenes.scene import Play, Scene, Shop, played, title_of
from devstack.serve import serving
from devstack.stack import StackInfo
from starter.cli.output import err, out, table
from stockkeeper import Stockkeeper
from stockkeeper.client.connection import Connection, connect_plainly
from stockkeeper.contracts.processes import PROCESSES

KINDS = ("products", "warehouses", "suppliers", "product-suppliers", "units", "barcodes", "stock", "demand")


async def show_everything(*, keep: bool = False) -> bool:
    """Run the demo and print its summary.

    Args:
        keep: Stay up afterwards until Ctrl-C, for a look at the Temporal UI.

    Returns:
        Whether everything came out right.
    """
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="stockkeeper-demo-") as directory:
        err.print("bringing up PostgreSQL, Temporal and a worker …")
        # Without the environment's settings: a demo must never reach real stock.
        async with serving(Path(directory), fast=True, environ={}) as info:
            scenes = await _scenes(info)
            out.print(
                table(
                    ["", "what was done", "what came of it"],
                    [[_mark(scene.came_out_right), scene.title, _outcome(scene)] for scene in scenes],
                    title="Stockkeeper, end to end",
                )
            )
            right = all(scene.came_out_right for scene in scenes)
            took = f"in {time.monotonic() - began:.0f} s"
            out.print(f"[green]all came out right[/green] {took}" if right else f"[red]something is wrong[/red] {took}")
            if keep:
                await _stay_up(info)
    return right


async def _scenes(info: StackInfo) -> list[Scene]:
    client = await connect_plainly(info.temporal_address, info.namespace)
    stock = Stockkeeper(Connection(client, info.task_queue))
    shown = [await replenishment_plan.pause_schedules(stock)]
    for kind in KINDS:
        err.print(f"  importing {kind} …")
        shown.append(await _import(stock, kind))
    products = [level.sku async for level in stock.levels()]
    found = await stock.ids(products, ["Hamburg", "Newark"], ["Brahmaputra Estates", "Weser Ceramics"])
    shop = Shop(stock, found)
    for play in _plays():
        err.print(f"  {title_of(play)} …")
        shown.append(await played(play, shop))
    return shown


def _plays() -> list[Play]:
    """The scenes of every process that has some, in ``devstack.scenes.{kind}``; then of lots and events."""
    modules = [f"devstack.scenes.{process.kind}" for process in PROCESSES]
    audit = modules.index("devstack.scenes.stock_audit")
    modules[audit:audit] = ["devstack.scenes.lot", "devstack.scenes.event"]
    return [scene for module in modules if find_spec(module) for scene in import_module(module).SCENES]


async def _import(stock: Stockkeeper, kind: str) -> Scene:
    sample = resources.files("devstack") / "sample" / f"{kind}.csv"
    with resources.as_file(sample) as path:
        rows = len(path.read_text().splitlines()) - 1
        state = await stock.import_file(kind, path, performed_by="demo")
    return Scene(f"import {kind}", f"{rows} new", f"{state.inserted} new")


async def _stay_up(info: StackInfo) -> None:
    stop = asyncio.Event()
    for signum in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    out.print(f"Temporal's UI is at {info.ui_url} until Ctrl-C")
    await stop.wait()


def _outcome(scene: Scene) -> str:
    if scene.came_out_right:
        return escape(scene.seen)
    return f"{escape(scene.seen)}\n[red]expected: {escape(scene.expected)}[/red]"


def _mark(right: bool) -> str:  # noqa: FBT001 - it is all there is to say
    return "[green]✓[/green]" if right else "[red]✗[/red]"
