"""Ten units and thirty-two callers in two processes, on ours and on peers: `python -m benchmarks.ten_units`.

Each peer is installed at a pinned version into a temporary folder and gets a database of its own on one embedded
PostgreSQL, where each commit waits for the disk. Its two processes of sixteen callers warm up, hold stock of one hot
item for a while, and are then asked for one unit each of an item that has ten. `benchmarks/peers` has a file for each,
which says by what page of its documentation it is called. A peer that can't be had here is shown with the reason.

Then speed in one process: thirty-two callers hold, or hold and ship, one hot item, on our activity layer and on the
two peers whose calls do the same, in turn.
"""

import argparse
import asyncio
import re
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.bars import Bar, alternately, table_of
from benchmarks.builds import ROOT, running
from benchmarks.order_life_stage import process
from benchmarks.peers.catalogue import MEDUSA, OSCAR_ALLOCATE, PEERS, Peer
from benchmarks.peers.processes import Callers, NotHere, all_at_once, install
from devstack.postgres import EmbeddedPostgres
from devstack.setup import set_up
from devstack.stack import running_stack
from stockkeeper.client.connection import Connection, connect_temporal

UNITS = 10
CALLERS = 32
PLENTY = 1_000_000
SALES = 3
SECONDS = 3.0
ROUNDS = 5
MOST = 12_000
"""Orders a second for which our payloads are ready: more than any side can do here."""


@dataclass
class Seen:
    """What a peer did.

    Attributes:
        sold: Callers who were told yes, in each sale.
        counted: Units that its own level says are promised, after each sale.
        refused: Callers who were told no, by its words.
        errors: Callers who were told neither.
        per_second: Holds of the hot item.
        missing: Why it couldn't be tried.
    """

    sold: list[int] = field(default_factory=list)
    counted: list[int] = field(default_factory=list)
    refused: list[Counter[str]] = field(default_factory=list)
    errors: list[Counter[str]] = field(default_factory=list)
    per_second: float = 0.0
    missing: str = ""


class Place:
    """A PostgreSQL, and the folders that peers are installed into."""

    def __init__(self, server: EmbeddedPostgres, folder: Path) -> None:
        self._server = server
        self._folder = folder
        self._databases = 0

    def database(self) -> str:
        """The URL of a new database."""
        self._databases += 1
        name = f"ten_units_{self._databases}"
        with psycopg.connect(self._server.url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return f"{self._server.url.rpartition('/')[0]}/{name}"

    def installed(self, peer: Peer) -> Path:
        """The folder where a peer is.

        Raises:
            NotHere: It can't be installed.
        """
        name = re.sub(r"[^a-z0-9.]+", "-", peer.packages[0]) if peer.packages else "ours"
        folder = self._folder / name.strip("-")
        install(peer, folder)
        return folder

    @contextmanager
    def processes(self, peer: Peer, number: int, **settings: str) -> Iterator[list[Callers]]:
        """So many processes of a peer, opened on a database that the first has prepared."""
        folder = self.installed(peer)
        with ExitStack() as stack:
            found = [stack.enter_context(Callers(peer, folder, settings, each)) for each in range(number)]
            found[0](do="prepare")
            for each in found:
                each(do="open")
            yield found


@contextmanager
def _place(folder: Path | None) -> Iterator[Place]:
    with (
        tempfile.TemporaryDirectory(prefix="stockkeeper-peers-") as directory,
        EmbeddedPostgres(Path(directory) / "postgres", max_connections=300) as server,
    ):
        yield Place(server, folder or Path(directory) / "peers")


@asynccontextmanager
async def _with_workers(peer: Peer, url: str) -> AsyncIterator[dict[str, str]]:
    """Settings that a peer finds its server by; ours gets a Temporal and worker processes."""
    if not peer.workers:
        yield {"url": url}
        return
    with tempfile.TemporaryDirectory() as directory:
        async with running_stack(Path(directory), headless=True, environ={"DATABASE_URL": url}) as info:
            client = await connect_temporal(info.temporal_address, info.namespace)
            await set_up(Connection(client), url)
            with ExitStack() as workers:
                for _ in range(peer.workers):
                    environment = {"DATABASE_URL": url, "TEMPORAL_ADDRESS": info.temporal_address}
                    workers.enter_context(process([sys.executable, "worker.py"], environment))
                yield {"url": url, "temporal_address": info.temporal_address}


async def _try(place: Place, peer: Peer, sales: int, seconds: float) -> Seen:
    async with _with_workers(peer, place.database()) as settings:
        return await asyncio.to_thread(_sell, place, peer, settings, sales, seconds)


def _sell(place: Place, peer: Peer, settings: Mapping[str, str], sales: int, seconds: float) -> Seen:
    seen = Seen()
    each = CALLERS // 2
    with place.processes(peer, 2, **settings) as processes:
        hot = processes[0](do="stock", units=PLENTY)
        for length in (1.0, seconds):  # The first one warms it up.
            found = all_at_once(processes, do="rate", item=hot, callers=each, seconds=length, ship=False)
        seen.per_second = sum(one["done"] for one in found) / max(one["seconds"] for one in found)
        for _ in range(sales):
            item = processes[0](do="stock", units=UNITS)
            outcomes: Counter[str] = Counter()
            for one in all_at_once(processes, do="sell", item=item, callers=each):
                outcomes.update(one["outcomes"])
            seen.sold.append(outcomes["sold"])
            seen.refused.append(_of_kind("refused: ", outcomes))
            seen.errors.append(_of_kind("error: ", outcomes))
            seen.counted.append(processes[0](do="promised", item=item))
    return seen


def _of_kind(kind: str, outcomes: Counter[str]) -> Counter[str]:
    return Counter({said.removeprefix(kind): times for said, times in outcomes.items() if said.startswith(kind)})


def compare(peers: Sequence[Peer], folder: Path | None, sales: int, seconds: float) -> dict[Peer, Seen]:
    """Ten units on each of these."""
    found: dict[Peer, Seen] = {}
    with _place(folder) as place:
        for peer in peers:
            try:
                found[peer] = asyncio.run(_try(place, peer, sales, seconds))
            except NotHere as reason:
                found[peer] = Seen(missing=str(reason))
    return found


def speed(folder: Path | None, rounds: int, seconds: float) -> tuple[list[Bar], list[str]]:
    """Our activity layer against the two peers, one process of 32 callers each; and the peers that aren't here."""
    bars: list[Bar] = []
    missing: list[str] = []
    with _place(folder) as place, running(ROOT, place.database()) as ours, ExitStack() as stack:
        theirs: dict[Peer, tuple[Callers, Any]] = {}
        for peer in (MEDUSA, OSCAR_ALLOCATE):
            try:
                [callers] = stack.enter_context(place.processes(peer, 1, url=place.database()))
                theirs[peer] = callers, callers(do="stock", units=PLENTY)
            except NotHere as reason:
                missing.append(f"{peer.name}: {reason}")

        for ship in (False, True):
            sides: dict[str, Callable[[], float]] = {
                "ours": partial(ours.rate, "holds", items=1, seconds=seconds, ship=ship, most=int(seconds * MOST))
            }
            for peer, (callers, item) in theirs.items():
                sides[peer.name] = partial(_rate, callers, item, seconds, ship=ship)
            found = alternately(sides, rounds)
            what = f"hold{' and ship' if ship else ''}, one hot item, in process"
            bars += [Bar(what, "/s", found["ours"], peer.name, found[peer.name], 3) for peer in theirs]
    return bars, missing


def _rate(callers: Callers, item: Any, seconds: float, *, ship: bool) -> float:
    [found] = all_at_once([callers], do="rate", item=item, callers=CALLERS, seconds=seconds, ship=ship)
    return float(found["done"] / found["seconds"])


def report(found: Mapping[Peer, Seen]) -> str:
    """A table, and beneath it what the callers were told."""
    lines = [
        f"| {CALLERS} callers for {UNITS} units | told yes | told no | errors | it counts | holds/s | a hold expires |",
        "|---|---:|---:|---:|---:|---:|---|",
    ]
    told: list[str] = []
    for peer, seen in found.items():
        if seen.missing:
            lines.append(f"| {peer.name} | | | | | | not tried: {seen.missing} |")
            continue
        sold = _range(seen.sold)
        cells = [
            peer.name,
            sold if max(seen.sold) <= UNITS else f"**{sold}**",
            _range([each.total() for each in seen.refused]),
            _range([each.total() for each in seen.errors]),
            _range(seen.counted),
            f"{seen.per_second:,.0f}" if seen.per_second >= 10 else f"{seen.per_second:.1f}",
            peer.expiry,
        ]
        lines.append(f"| {' | '.join(cells)} |")
        for kind, said in (("no", seen.refused), ("error", seen.errors)):
            for words, times in _alike(sum(said, Counter[str]())).items():
                told.append(f"- {peer.name}, {kind}, {times} of {CALLERS * len(said)}: {words}")
    return "\n".join([*lines, "", *told])


def _alike(said: Counter[str]) -> dict[str, int]:
    """One example of each type of answer, and how many there were; the most frequent type first."""
    found: dict[str, tuple[str, int]] = {}
    for words, times in said.most_common():
        example, before = found.get(words.partition(":")[0], (words, 0))
        found[words.partition(":")[0]] = example, before + times
    return dict(sorted(found.values(), key=lambda each: -each[1]))


def _range(numbers: Sequence[int]) -> str:
    low, high = min(numbers), max(numbers)
    return str(low) if low == high else f"{low} to {high}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Try what is asked for, and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", metavar="WORD", help="only peers with one of these words in their names")
    parser.add_argument("--folder", type=Path, help="keep what is installed here, for the next time")
    parser.add_argument("--sales", type=int, default=SALES, help=f"sales of ten units each; {SALES} unless given")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="how long a hot item is held")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="rounds of the comparison of speed; 0: leave it out")
    asked = parser.parse_args(arguments)
    words = [word.lower() for word in asked.only or [""]]
    peers = [peer for peer in PEERS if any(word in peer.name.lower() for word in words)]
    if peers:
        print(report(compare(peers, asked.folder, asked.sales, asked.seconds)))
    if asked.rounds:
        bars, missing = speed(asked.folder, asked.rounds, asked.seconds)
        print("\n".join(["", table_of(bars), "", *(f"- not tried: {each}" for each in missing)]))


if __name__ == "__main__":
    main()
