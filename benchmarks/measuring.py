"""How benchmarks measure: everything in turn, so that whatever else the machine does falls on all of it."""

import dataclasses
import random
import statistics
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

from temporalio.testing import ActivityEnvironment

Timings = dict[str, float]
Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


def in_turn(measured: Mapping[str, Callable[[], float]], rounds: int) -> Timings:
    """Medians over the rounds, each of which measures all of them in another order."""
    order = random.Random(0)
    found: dict[str, list[float]] = {name: [] for name in measured}
    for _ in range(rounds):
        for name in order.sample(list(measured), len(measured)):
            found[name].append(measured[name]())
    return {name: statistics.median(seconds) for name, seconds in found.items()}


def seconds_of(call: Callable[[], object]) -> Callable[[], float]:
    """The call, with a clock around it."""

    def timed() -> float:
        began = time.perf_counter()
        call()
        return time.perf_counter() - began

    return timed


def table(title: str, unit: str, timings: Timings, base: str) -> str:
    """Each timing, and how many times as long as the base it takes."""
    factor = {"s": 1, "ms": 1e3, "µs": 1e6}[unit]
    lines = [f"| {title} | {unit} | times as long as {base} |", "|---|---:|---:|"]
    for name, seconds in timings.items():
        lines.append(f"| {name} | {seconds * factor:.2f} | {seconds / timings[base]:.2f} |")
    return "\n".join(lines)


def as_activity(name: str, step: Asked, call: Callable[[Asked], Answer]) -> Answer:
    """Call it as a worker does."""
    environment = ActivityEnvironment()
    environment.info = dataclasses.replace(environment.info, activity_type=name)
    return environment.run(call, step)
