"""docs/capacity.md: its figures stand in the pages that they are taken from, and its sums are right."""

import math
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "capacity.md").read_text()
RATES = (10, 100, 1_000, 10_000)
DAY = 86_400


def row(begins: str) -> list[str]:
    """The cells of the row whose first cell begins so."""
    [found] = [line for line in PAGE.splitlines() if line.startswith(f"| {begins}")]
    return [cell.strip() for cell in found.strip("|").split("|")]


def figure(begins: str) -> float:
    """The first number in the second cell of a row."""
    number = re.match(r"[\d,.]+", row(begins)[1])
    assert number is not None
    return float(number[0].replace(",", ""))


WORKER_MS, TEMPORAL_MS, POSTGRESQL_MS = (
    figure(f"CPU of {who}") for who in ("a worker", "Temporal's server", "our PostgreSQL")
)
WAL, KEPT, OPERATIONS, HISTORY = (
    figure(what) for what in ("WAL of our database", "kept for good |", "kept until it can't", "history of its run")
)
WRITES = 2 * figure("writes of the run's state") + figure("writes of tasks and visibility")
ACTIONS = figure("Actions that")


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("decisions/0044-cost-of-an-order.md", f"| worker | 28 | {WORKER_MS:.0f} |"),
        ("decisions/0044-cost-of-an-order.md", f"| Temporal server | 41 | {TEMPORAL_MS:.0f} |"),
        ("decisions/0044-cost-of-an-order.md", f"| PostgreSQL | 5 | {POSTGRESQL_MS:.0f} |"),
        ("benchmarks/speed.md", f"ours {figure('events of its run'):.0f} and {ACTIONS:.0f}"),
        ("benchmarks/speed.md", "| hold, one hot item | the seed's algorithm by pgbench | 2,114/s |"),
        ("benchmarks/speed.md", "| hold, 10,000 items | the seed's algorithm by pgbench | 1,573/s |"),
        ("benchmarks/speed.md", "| hold and ship, one hot item | the seed's algorithm by pgbench | 532/s |"),
        ("benchmarks/ledger.md", f"| all together | {figure('a movement in the ledger'):.0f} |"),
        ("operations.md", "about 40 orders a\nsecond"),
    ],
)
def test_what_was_measured_stands_where_it_was_measured(page: str, words: str) -> None:
    assert words in (DOCS / page).read_text()


def test_what_one_bears_follows_from_what_an_order_takes() -> None:
    assert "532 holds and shipments a second, or 2,114 holds" in row("item |")[1]
    assert "1,573 holds" in row("worker's database")[1]
    assert figure("PostgreSQL of 16 cores") == round(16 / POSTGRESQL_MS * 1000)
    assert figure("Temporal cluster, a core") == math.floor(1000 / TEMPORAL_MS)
    assert figure("history shard") == 1000 / (figure("writes of the run's state") * 2)
    assert f"{figure('history shard') * 512:,.0f}" in row("history shard")[2]
    assert figure("frontend process") == round(2_400 / 7)
    assert figure("namespace of Temporal Cloud") == math.floor(500 / ACTIONS)
    assert WRITES == 12
    assert sum(int(each) for each in re.findall(r"` (\d+)", row("kept for good |")[2])) == KEPT


@pytest.mark.parametrize(
    ("begins", "of_a_second", "digits"),
    [
        ("cores of Temporal's server", TEMPORAL_MS / 1000, 1),
        ("writes of Temporal's store", WRITES, 0),
        ("Actions a second", ACTIONS, 0),
        ("cores of our PostgreSQL", POSTGRESQL_MS / 1000, 1),
        ("WAL, MB", WAL / 1e6, 1),
        ("kept for good, GB", KEPT * DAY / 1e9, 1),
        ("operations, GB", OPERATIONS * DAY * 30 / 1e9, 0),
        ("histories, GB", HISTORY * DAY * 30 / 1e9, 0),
    ],
)
def test_how_many_of_each_is_the_rate_times_what_an_order_takes(begins: str, of_a_second: float, digits: int) -> None:
    told = [float(cell.replace(",", "")) for cell in row(begins)[1:]]
    assert told == [round(rate * of_a_second, digits) for rate in RATES]


def test_workers_and_connections_are_rounded_up() -> None:
    workers = [math.ceil(rate / 40) for rate in RATES]
    assert [int(cell.replace(",", "")) for cell in row("worker processes")[1:]] == workers
    connections = [int(cell.replace(",", "")) for cell in row("their database connections")[1:]]
    assert connections == [24 * each for each in workers]
