"""What is replayed reads no clock, no chance and nothing outside, starts no thread, and goes by no set's order."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.replayed import offences
from tests.architecture.replayed_sets import sets_declared

REPOSITORY = Path(__file__).parents[2]

REPLAYED = sorted(
    path
    for room in ("stockkeeper/domain", "stockkeeper/contracts", "workflows")
    for path in (REPOSITORY / room).glob("**/*.py")
)
SETS = sets_declared([path.read_text() for path in REPLAYED])
_AES = "ciphers.aead.AESGCM"
# What no run reaches: the schema is a program, the rows of a file are read by activities and clients, and items are
# planned page by page in activities (`tests/architecture/test_walls.py` holds that no workflow loads numpy). The Nexus
# service is for runs of others. The secrets of webhooks are derived by activities and by the command line, sealed by
# activities and opened by clients; of that, runs only look at a public key.
NOT_IN_A_RUN = {
    "stockkeeper/contracts/schema.py": ["sys"],
    "stockkeeper/contracts/webhook.py": ["hashlib", "hmac"],
    "stockkeeper/contracts/sealed_secret.py": [
        "os",
        *(f"cryptography.hazmat.primitives.{name}" for name in ("asymmetric.x25519.X25519PrivateKey", _AES)),
        *(f"cryptography.hazmat.primitives.{name}" for name in ("asymmetric.x25519.X25519PublicKey", "hashes.SHA256")),
        *(f"cryptography.hazmat.primitives.{name}" for name in ("kdf.hkdf.HKDF", _AES)),
        "cryptography.exceptions.InvalidTag",
        "cryptography.hazmat.primitives.asymmetric.x25519.X25519PrivateKey",
        "os.urandom",
    ],
    "stockkeeper/contracts/inventory_service.py": ["nexusrpc"],
    "stockkeeper/contracts/import_rows.py": ["zoneinfo.available_timezones"],
    "stockkeeper/contracts/settings.py": ["urllib.parse.urlsplit"],
    "stockkeeper/domain/demand_forecast.py": ["numpy"],
    "stockkeeper/domain/hindsight.py": ["numpy"],
    "stockkeeper/domain/look_back.py": ["numpy"],
    "stockkeeper/domain/refused_demand.py": ["numpy"],
    "stockkeeper/domain/lead_time_demand.py": [
        *("numpy", "numpy.typing.NDArray"),
        *(f"scipy.special.{name}" for name in ("gammainc", "gammaincc", "gammaincinv", "ndtr", "ndtri")),
    ],
    "stockkeeper/domain/many_items.py": ["numpy", "numpy.typing.NDArray"],
    "stockkeeper/domain/planning.py": ["numpy"],
}
# A worker's interceptors and its runner, which stand around runs: what they do in a replay,
# `test_tracing.py` and `test_identity.py` in `tests/end_to_end` and `tests/relied_on/test_tasks.py` try.
_AROUND_RUNS = ("brought_identity.py", "failed_before.py", "runner.py", "tracing.py")
AROUND_RUNS = {REPOSITORY / "workflows" / name for name in _AROUND_RUNS}


@pytest.mark.parametrize(
    "path",
    [path for path in REPLAYED if path not in AROUND_RUNS],
    ids=lambda path: str(path.relative_to(REPOSITORY)),
)
def test_what_is_replayed_reads_no_clock_and_no_chance(path: Path) -> None:
    assert offences(path.read_text(), SETS) == NOT_IN_A_RUN.get(str(path.relative_to(REPOSITORY)), [])


def test_all_that_workflows_load_is_read() -> None:
    """But the client, which importing `stockkeeper` loads and no run calls."""
    modules = ", ".join(f"workflows.{path.stem}" for path in (REPOSITORY / "workflows").glob("[!_]*.py"))
    program = f"import sys, {modules}; print(*[vars(each).get('__file__') for each in sys.modules.values()], sep='\\n')"
    done = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    loaded = {Path(line) for line in done.stdout.splitlines() if line.startswith(f"{REPOSITORY}/")}
    ours = {path for path in loaded if ".venv" not in path.parts}
    assert {path.relative_to(REPOSITORY) for path in ours - {*REPLAYED}} == {
        Path("stockkeeper/__init__.py"),
        *(path.relative_to(REPOSITORY) for path in ours if path.parent == REPOSITORY / "stockkeeper/client"),
    }
    assert REPOSITORY / "workflows/reservation.py" in ours


@pytest.mark.parametrize(
    "source",
    [
        "import time",
        "import calendar",
        "from time import monotonic",
        "datetime.now(UTC)",
        "date.today()",
        "when = datetime.datetime.utcnow",
        "import datetime as d\nd.datetime.now()",
        "from datetime import datetime as moment\nmoment.now(UTC)",
        "loop.time()",
        "asyncio.get_running_loop()",
        "Field(default_factory=datetime.now)",
        "datetime.fromtimestamp(0)",
        "moment.astimezone()",
        "import logging",
    ],
)
def test_a_clock_would_be_seen(source: str) -> None:
    assert len(offences(source)) == 1


@pytest.mark.parametrize(
    "source",
    [
        "from random import choice",
        "import random as r",
        "import uuid as u",
        "from uuid import uuid4",
        "import secrets",
        "import numpy",
        "from statistics import NormalDist\nNormalDist(0, 1).samples(3)",
        "hash(sku)",
        "id(order)",
        "sorted(orders, key=id)",
        "dict.fromkeys(map(hash, skus))",
    ],
)
def test_chance_would_be_seen(source: str) -> None:
    assert len(offences(source)) == 1


@pytest.mark.parametrize(
    "source",
    [
        "import os.path",
        "from os import environ",
        "import sys",
        "from pathlib import Path",
        "import socket",
        "import httpx",
        "import psycopg",
        "from temporalio import client",
        "from temporalio.client import Client",
        "from stockkeeper.client.connection import connect_temporal",
        "from stockkeeper import Stockkeeper",
        "from database import locks",
        "from . import texts",
        "open('x')",
        "import gzip\ngzip.open('x')",
        "from gzip import open as unpacked",
        "input()",
        "print(state)",
        "map(print, lines)",
        "__import__('time')",
        "eval('now')",
        "import importlib",
        "from zoneinfo import available_timezones",
        "asyncio.open_connection('host', 80)",
        "from asyncio import subprocess",
        "asyncio.create_subprocess_exec('ls')",
        "from temporalio import workflow\nworkflow.unsafe.sandbox_unrestricted()",
        "workflow.unsafe.is_replaying()",
    ],
)
def test_what_is_outside_would_be_seen(source: str) -> None:
    assert len(offences(source)) == 1


@pytest.mark.parametrize(
    "source",
    [
        "import threading",
        "import _thread",
        "import multiprocessing",
        "from concurrent.futures import ThreadPoolExecutor",
        "from asyncio import to_thread",
        "from asyncio import to_thread as aside",
        "import asyncio as loops\nloops.to_thread(read)",
        "asyncio.to_thread(read)",
        "loop.run_in_executor(None, read)",
        "loop.call_soon_threadsafe(read)",
        "asyncio.run(read())",
        # These keep their tasks in sets.
        "asyncio.as_completed(tasks)",
        "asyncio.wait(tasks)",
        "asyncio.TaskGroup()",
    ],
)
def test_a_thread_or_a_loop_of_another_kind_would_be_seen(source: str) -> None:
    assert len(offences(source)) == 1


@pytest.mark.parametrize(
    "source",
    [
        "global runs",
        "seen = {}\ndef run(): seen['A'] = 1",
        "seen = {}\ndef run(): del seen['A']",
        "seen: list[str] = []\nasync def run(): seen.append('A')",
        "seen = []\nclass Run:\n    def run(self): seen.append(self)",
        "numbers = itertools.count()\ndef run(): return next(numbers)",
        "class Run:\n    def run(self): Run.number += 1",
        "class Run:\n    @classmethod\n    def run(cls): cls.seen = []",
        "seen = {}\ndef run(): seen.setdefault('A', []).append(1)",
    ],
)
def test_what_a_run_leaves_to_the_next_would_be_seen(source: str) -> None:
    assert len(offences(source)) == 1


@pytest.mark.parametrize(
    "source",
    [
        "for sku in {'B', 'A'}: pass",
        "for sku in set(skus): pass",
        "for sku in frozenset(skus) - known: pass",
        "for sku in {line.sku for line in lines}: pass",
        "for sku in a.keys() & b.keys(): pass",
        "for sku in a.items() - b.items(): pass",
        "for sku in first.union(second): pass",
        "for sku in set(skus).copy(): pass",
        "for sku in set(skus) or known: pass",
        "[sku for sku in {*first, *second}]",
        "{sku: 1 for sku in set(skus)}",
        "list(set(skus))",
        "tuple({line.sku for line in lines})",
        "', '.join(set(skus))",
        "f'{set(skus)}'",
        "str(set(skus))",
        "json.dumps(set(skus))",
        "enumerate(set(skus))",
        "dict.fromkeys(set(skus))",
        "Counter(set(skus))",
        "math.fsum({0.1, 0.2})",
        "itertools.chain(set(skus), known)",
        "reduce(together, set(skus))",
        "sorted(set(skus), key=len)",
        "max(set(skus), key=len)",
        "min((sku for sku in set(skus)), key=len)",
        "set(skus).pop()",
        "next(iter(seen)) if (seen := set(skus)) else None",
        "send(*set(skus))",
        "first, second = {1, 2}",
        "seen = set(skus)\nfor sku in seen: pass",
        "seen = set(skus)\nseen.pop()",
        "def late():\n    for sku in seen: pass\nother = set()\nseen = other",
        "seen, known = set(skus), []\nlist(seen)",
        "seen: set[str] = found()\nlist(seen)",
        "seen: set[str] | None = found()\nlist(seen)",
        "def send(skus: frozenset[str]) -> None:\n    for sku in skus: pass",
        "def send(skus: collections.abc.Set[str]) -> None:\n    for sku in skus: pass",
        "def found() -> set[str]: ...\nlist(found())",
        "async def found() -> set[str]: ...\nasync def run(): list(await found())",
        "self.seen = set(skus)\nlist(self.seen)",
        "seen: dict[str, set[str]] = {}\nfor sku in seen['A']: pass",
        "seen: dict[str, set[str]] = {}\nlist(seen.get('A', ()))",
        "seen: dict[str, set[str]] = {}\nfor one in seen.values(): list(one)",
        "seen: dict[str, set[str]] = {}\nfor key, one in seen.items(): list(one)",
        "seen = defaultdict(set)\nlist(seen['A'])",
    ],
)
def test_the_order_of_a_set_would_be_seen(source: str) -> None:
    assert len(offences(source)) == 1


def test_a_set_that_another_module_declares_would_be_seen() -> None:
    declared = sets_declared(
        [
            "class State:\n    skus: set[str]\n    lines: set[int]\n    def left(self) -> frozenset[str]: ...",
            "class Other:\n    lines: list[int]",
        ]
    )
    assert declared == {"skus", "left"}
    assert offences("list(state.skus), tuple(state.left()), list(state.lines)", declared) == [
        "order of state.skus",
        "order of state.left()",
    ]


@pytest.mark.parametrize(
    "source",
    [
        "workflow.now() + timedelta(minutes=5)",
        "from temporalio import workflow as run\nrun.now(), run.random().choice(skus), run.uuid4()",
        "for sku in sorted(set(skus)): pass",
        "sorted(sku.lower() for sku in set(skus))",
        "all(sku in known for sku in set(skus))",
        "{sku.lower() for sku in set(skus)}",
        "len(set(skus)), max(set(skus)), sku in set(skus)",
        "for sku in dict.fromkeys(skus): pass",
        "sorted(skus, key=len)",
        "skus.pop(), seen.pop(0)",
        "workflow.wait(tasks)",
        "asyncio.gather(*tasks)",
        "moment.astimezone(UTC)",
        "with workflow.unsafe.imports_passed_through(): pass",
        "line.id, Event(id=1)",
        "seen = {}\ndef run():\n    seen = {}\n    seen['A'] = 1",
        "def run(self): self.seen['A'] = 1",
        "class Process:\n    kinds = {}\n    def __init_subclass__(cls): Process.kinds[cls.__name__] = cls",
    ],
)
def test_a_known_order_and_the_clock_of_the_workflow_are_right(source: str) -> None:
    assert offences(source) == []
