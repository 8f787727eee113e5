"""One process of callers for a peer in Python, told what to do by lines of JSON.

It runs under the peer's own interpreter, where only the standard library and the peer are installed:
``python callers.py ADAPTER.py '{"url": ...}'``. `callers.mjs` is the same for peers in JavaScript.
"""

import importlib.util
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, cast

MARK = "ANSWER "
"""Begins the lines that are answers; whatever else a peer prints is left alone."""


class Adapter(Protocol):
    """What a peer's file has.

    Attributes:
        REFUSALS: Exceptions that say no because of the stock; all others are errors.
    """

    REFUSALS: tuple[type[BaseException], ...]

    def prepare(self, settings: dict[str, str]) -> None:
        """Make the tables, in the first process only, before any is opened."""

    def open(self, settings: dict[str, str]) -> None:
        """Load the peer in this process."""

    def stock(self, units: int) -> Any:
        """A new item with so many units on hand; its key, as JSON has it."""

    def hold(self, item: Any) -> Any:
        """Promise one unit, as one caller; what shipping needs to know."""

    def ship(self, item: Any, held: Any) -> None:
        """Take the unit off the shelf."""

    def promised(self, item: Any) -> int:
        """Units that the peer's own records promise."""


def _adapter(path: str) -> Adapter:
    spec = importlib.util.spec_from_file_location("adapter", path)
    if spec is None or spec.loader is None:
        raise ImportError(path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return cast("Adapter", module)


class Callers:
    """Threads that call at once; the same ones each time, so that their connections stay warm."""

    def __init__(self, adapter: Adapter) -> None:
        self._adapter = adapter
        self._pools: dict[int, ThreadPoolExecutor] = {}

    def sell(self, item: Any, callers: int, at: float) -> dict[str, Any]:
        """Each caller asks for one unit, once, all at the same instant."""

        def call() -> str:
            try:
                self._adapter.hold(item)
            except self._adapter.REFUSALS as no:
                return f"refused: {_first_line(no)}"
            except Exception as error:  # noqa: BLE001 the kind of error is what is measured
                return f"error: {_first_line(error)}"
            return "sold"

        began = time.perf_counter()
        outcomes = self._at_once(call, callers, at)
        return {"outcomes": dict(Counter(outcomes)), "seconds": time.perf_counter() - began}

    def rate(self, item: Any, callers: int, at: float, seconds: float, *, ship: bool) -> dict[str, Any]:
        """Each caller holds one unit after the other, and ships it if asked to, for a while."""
        ends = at + seconds
        errors: list[str] = []

        def call() -> int:
            done = 0
            while time.time() < ends:
                try:
                    held = self._adapter.hold(item)
                    if ship:
                        self._adapter.ship(item, held)
                    done += 1
                except Exception as error:  # noqa: BLE001 counted, and shown
                    errors.append(_first_line(error))
            return done

        done = sum(self._at_once(call, callers, at))
        return {"done": done, "seconds": time.time() - at, "errors": dict(Counter(errors))}

    def _at_once(self, call: Callable[[], Any], callers: int, at: float) -> list[Any]:
        pool = self._pools.setdefault(callers, ThreadPoolExecutor(callers))
        together = threading.Barrier(callers)

        def when_due() -> Any:
            together.wait()
            time.sleep(max(0.0, at - time.time()))
            return call()

        return [future.result() for future in [pool.submit(when_due) for _ in range(callers)]]


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".strip().splitlines()[0][:160]


def main(path: str, settings: dict[str, str]) -> None:
    """Carry out the lines of standard input, one answer a line."""
    adapter = _adapter(path)
    callers = Callers(adapter)
    for line in sys.stdin:
        asked = json.loads(line)
        answer: Any = None
        match asked.pop("do"):
            case "prepare":
                adapter.prepare(settings)
            case "open":
                adapter.open(settings)
            case "stock":
                answer = adapter.stock(**asked)
            case "sell":
                answer = callers.sell(**asked)
            case "rate":
                answer = callers.rate(**asked)
            case "promised":
                answer = adapter.promised(**asked)
            case unknown:
                raise ValueError(unknown)
        print(MARK + json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
