"""`stockkeeper demo`: the processes end to end, as their callers use them, on a stack of its own.

Each scene does something as a service would, says what ought to come of it, and compares. Nothing here reaches around
the contract but the checks at the end, which ask the database.
"""

import asyncio
import signal
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from rich.markup import escape

from database.sessions import connect
from devstack.invariants import check_invariants
from devstack.serve import serving
from devstack.stack import StackInfo
from starter import FulfillLine, InsufficientStock, InvalidState, Line, Stockkeeper
from starter.cli.output import err, out, table
from starter.connection import connect_plainly
from starter.import_file import import_file
from starter.stock import find_items, levels

KINDS = ("products", "warehouses", "suppliers", "product-suppliers", "stock", "demand")
ORDERS_AT_ONCE = 200


@dataclass(frozen=True)
class Scene:
    """One thing that was shown: what was done, what was expected of it, and what was seen."""

    title: str
    expected: str
    seen: str

    @property
    def came_out_right(self) -> bool:
        """Whether what was seen is what was expected."""
        return self.seen == self.expected


class Shop:
    """A service that sells from the sample's stock."""

    def __init__(self, stock: Stockkeeper, products: dict[str, int], warehouses: dict[str, int]) -> None:
        self.stock = stock
        self._products = products
        self._warehouses = warehouses

    def line(self, sku: str, quantity: int, warehouse: str = "Hamburg") -> Line:
        """A line by the names of the sample."""
        return Line(product_id=self._products[sku], warehouse_id=self._warehouses[warehouse], quantity=quantity)

    def part(self, sku: str, quantity: int) -> FulfillLine:
        """A part of a shipment."""
        return FulfillLine(product_id=self._products[sku], quantity=quantity)

    async def level(self, sku: str, warehouse: str = "Hamburg") -> str:
        """What there is, in words."""
        async for level in levels(
            self.stock.client, product=sku, warehouse=warehouse, task_queue=self.stock.task_queue
        ):
            return f"{level.quantity_on_hand} on hand, {level.quantity_reserved} reserved"
        return "never stocked"


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
        # Not what the environment names: a demo has no business in anybody's stock.
        async with serving(Path(directory), fast=True, environ={}) as info:
            scenes = await _scenes(info)
            engine = connect(info.database_url)
            invariants = await asyncio.to_thread(check_invariants, engine)
            engine.dispose()
            out.print(
                table(
                    ["", "what was done", "what came of it"],
                    [[_mark(scene.came_out_right), scene.title, _outcome(scene)] for scene in scenes],
                    title="Stockkeeper, end to end",
                )
            )
            out.print(
                table(
                    ["", "what holds always", "#rows against it"],
                    [[_mark(not rule.violations), rule.rule, str(rule.violations)] for rule in invariants],
                )
            )
            right = all(scene.came_out_right for scene in scenes) and not any(rule.violations for rule in invariants)
            took = f"in {time.monotonic() - began:.0f} s"
            out.print(f"[green]all came out right[/green] {took}" if right else f"[red]something is wrong[/red] {took}")
            if keep:
                await _stay_up(info)
    return right


async def _scenes(info: StackInfo) -> list[Scene]:
    client = await connect_plainly(info.temporal_address, info.namespace)
    stock = Stockkeeper(client, task_queue=info.task_queue)
    shown: list[Scene] = []
    for kind in KINDS:
        err.print(f"  importing {kind} …")
        shown.append(await _import(stock, kind))
    products = [level.sku async for level in levels(stock.client, task_queue=stock.task_queue)]
    found = await find_items(stock.client, products, ["Hamburg", "Newark"], task_queue=stock.task_queue)
    shop = Shop(stock, found.products, found.warehouses)
    for scene in SCENES:
        err.print(f"  {(scene.__doc__ or '').strip().rstrip('.')} …")
        shown.append(await scene(shop))
    return shown


async def _import(stock: Stockkeeper, kind: str) -> Scene:
    sample = resources.files("devstack") / "sample" / f"{kind}.csv"
    with resources.as_file(sample) as path:
        rows = len(path.read_text().splitlines()) - 1
        state = await import_file(stock.client, kind, path, performed_by="demo", task_queue=stock.task_queue)
    return Scene(f"import {kind}", f"{rows} new", f"{state.inserted} new")


async def _fulfilled(shop: Shop) -> Scene:
    """An order is reserved and shipped."""
    hold = await shop.stock.reserve("1001", [shop.line("TEA-100", 3), shop.line("MUG-RED", 2)], performed_by="checkout")
    held = await shop.level("TEA-100")
    state = await hold.fulfill(performed_by="packing")
    return Scene(
        "order 1001: reserve, then fulfil",
        "held: 400 on hand, 3 reserved; FULFILLED: 397 on hand, 0 reserved",
        f"held: {held}; {state.status}: {await shop.level('TEA-100')}",
    )


async def _shipped_in_parts(shop: Shop) -> Scene:
    """An order leaves in two shipments, one of them sent twice."""
    hold = await shop.stock.reserve("1002", [shop.line("MUG-BLUE", 10)], performed_by="checkout")
    for _ in range(2):
        await hold.fulfill([shop.part("MUG-BLUE", 4)], performed_by="packing", fulfillment_id="parcel-1")
    between = await shop.level("MUG-BLUE")
    state = await hold.fulfill(performed_by="packing", fulfillment_id="parcel-2")
    return Scene(
        "order 1002: two parcels, the first sent twice",
        "56 on hand, 6 reserved; FULFILLED: 50 on hand, 0 reserved",
        f"{between}; {state.status}: {await shop.level('MUG-BLUE')}",
    )


async def _cancelled(shop: Shop) -> Scene:
    """A customer changes their mind."""
    hold = await shop.stock.reserve("1003", [shop.line("POT-CAST", 5)], performed_by="checkout")
    await hold.extend(performed_by="checkout", ttl_minutes=45)
    state = await hold.cancel(performed_by="customer", reason="changed my mind")
    return Scene(
        "order 1003: reserve, extend, cancel",
        "CANCELLED: 12 on hand, 0 reserved",
        f"{state.status}: {await shop.level('POT-CAST')}",
    )


async def _expired(shop: Shop) -> Scene:
    """A cart is left alone, and its hold expires after two seconds."""
    hold = await shop.stock.reserve("1004", [shop.line("TEA-500", 80)], performed_by="checkout", ttl_minutes=2 / 60)
    held = await shop.level("TEA-500")
    ended = await shop.stock.client.get_workflow_handle("reservation-1004").result()
    try:
        refused = str((await hold.fulfill(performed_by="packing")).status)
    except InvalidState as error:
        refused = error.code
    return Scene(
        "order 1004: nobody came; then a late fulfil",
        "80 on hand, 80 reserved; EXPIRED: 80 on hand, 0 reserved; InvalidState",
        f"{held}; {ended['status']}: {await shop.level('TEA-500')}; {refused}",
    )


async def _rejected(shop: Shop) -> Scene:
    """An order wants more than there is, and gets none of it."""
    lines = [shop.line("TEA-100", 1), shop.line("POT-CAST", 8), shop.line("POT-CAST", 8)]
    try:
        seen = str((await shop.stock.reserve("1005", lines, performed_by="checkout")).state.status)
    except InsufficientStock as error:
        short = error.shortages[0]
        seen = f"requested {short.requested}, available {short.available}"
    return Scene(
        "order 1005: 16 pots on two lines, 12 in stock",
        "requested 16, available 12; 397 on hand, 0 reserved",
        f"{seen}; {await shop.level('TEA-100')}",
    )


async def _asked_twice(shop: Shop) -> Scene:
    """A checkout loses the answer and asks again."""
    lines = [shop.line("MUG-RED", 8)]
    first, second = [await shop.stock.reserve("1006", lines, performed_by="checkout") for _ in range(2)]
    same = first.state.lines == second.state.lines
    return Scene(
        "order 1006: the same request twice",
        "one hold; 118 on hand, 8 reserved",
        f"{'one hold' if same else 'two holds'}; {await shop.level('MUG-RED')}",
    )


async def _rush(shop: Shop) -> Scene:
    """Two hundred orders want one of ten kettles, all at once."""

    async def order(number: int) -> bool:
        try:
            await shop.stock.reserve(f"rush-{number}", [shop.line("KETTLE-1", 1)], performed_by="checkout")
        except InsufficientStock:
            return False
        return True

    won = await asyncio.gather(*(order(number) for number in range(ORDERS_AT_ONCE)))
    return Scene(
        f"{ORDERS_AT_ONCE} orders at once for 10 kettles",
        "10 held, 190 out of stock; 10 on hand, 10 reserved",
        f"{sum(won)} held, {won.count(False)} out of stock; {await shop.level('KETTLE-1')}",
    )


SCENES: list[Callable[[Shop], Awaitable[Scene]]] = [
    _fulfilled,
    _shipped_in_parts,
    _cancelled,
    _expired,
    _rejected,
    _asked_twice,
    _rush,
]


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
