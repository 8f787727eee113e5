"""What traces cost a worker: an order's life with all of them sent, with one in twenty, and with none.

`python -m benchmarks.traces` (`--rounds`, `--orders`, `--at-once`). Three workers of this build on one stack take turns
in another order each round; callers send plain JSON, so each step begins a trace of its own. The collector throws away
what it gets, and takes no CPU time of the workers.
"""

import argparse
import asyncio
import statistics
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from benchmarks.order_life_stage import Runner, ratio, staged, take_turns, worker_on

ITEMS = 1_000
WARM_UP = 100
OFF, SOME, ALL = "no traces", "one in twenty", "all"


class _Taking(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@contextmanager
def _collector() -> Iterator[dict[str, str]]:
    """Something that takes spans; the variables that name it."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Taking)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{server.server_port}"}
    finally:
        server.shutdown()


async def measure(rounds: int, orders: int, at_once: int) -> dict[str, list[float]]:
    """Worker CPU milliseconds an order, a value a round."""
    some = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.05"}
    async with staged(ITEMS) as stage:
        with ExitStack() as opened:
            collector = opened.enter_context(_collector())
            runners = {}
            for number, (name, variables) in enumerate({OFF: {}, SOME: collector | some, ALL: collector}.items()):
                side = replace(stage.ours, queue=f"traces-{number}")
                runners[name] = Runner.of(side, opened.enter_context(worker_on(stage, side.queue, variables)))
            found = await take_turns(runners, rounds, orders, at_once, WARM_UP)
    return {name: turns.cpu_ms for name, turns in found.items()}


def report(found: Mapping[str, Sequence[float]]) -> str:
    """The figures as a table."""
    lines = ["| traces sent | worker CPU an order, ms | against none |", "|---|---:|---:|"]
    for name, values in found.items():
        lines.append(f"| {name} | {statistics.median(values):.1f} | {ratio(values, found[OFF]):.2f} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--orders", type=int, default=300)
    parser.add_argument("--at-once", type=int, default=50)
    given = parser.parse_args(arguments)
    print(report(asyncio.run(measure(given.rounds, given.orders, given.at_once))))


if __name__ == "__main__":
    main()
