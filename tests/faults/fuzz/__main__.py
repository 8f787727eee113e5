"""Fuzzes a stack of its own: ``python -m tests.faults.fuzz [SEED] [PAYLOADS]``; 10,000 payloads unless told otherwise.

The workers are processes of their own, so that one that crashes is seen. The exit status is 1 if anything came of a
payload that isn't in the contract; the same seed and number send the same payloads again.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from pydantic import SecretStr
from temporalio.client import Client
from temporalio.runtime import LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter

from database.migrate import upgrade
from database.sessions import connect
from devstack.stack import running_stack
from starter.namespace import register_search_attributes
from tests.faults.fuzz.lanes import Tally
from tests.faults.fuzz.report import render, write
from tests.faults.fuzz.run import made, send_all
from tests.faults.workplace import Workplace
from tests.support.auditor import assert_books_agree, auditors_engine
from tests.support.notices import TAKING
from worker import Settings

PAYLOADS = 10_000
_LANES = 12


async def fuzz(seed: int, payloads: int, logs: Path) -> Tally:
    """Send them to a stack of its own, and judge what comes of them."""
    sent = made(seed, payloads)
    async with running_stack(logs / "stack", fast=True, headless=True, environ={}) as stack:
        engine = connect(stack.database_url, pool_size=_LANES, application_name="fuzz")
        upgrade(engine)
        client = await Client.connect(stack.temporal_address, namespace=stack.namespace)
        await register_search_attributes(client)
        settings = Settings(database_url=SecretStr(stack.database_url), supplier_notice_urls=SecretStr(TAKING))
        workplace = Workplace(stack, client, settings, logs)
        async with workplace.worker() as first, workplace.worker() as second:
            tally = await send_all(sent, client, workplace.settings.task_queue, engine, lanes=_LANES)
            tally.violations.extend("a worker crashed" for each in (first, second) if not each.is_alive)
        auditor = auditors_engine(stack.database_url)
        assert_books_agree(auditor)
        auditor.dispose()
        engine.dispose()
    return tally


def main() -> int:
    """Fuzz, and print what came of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.fuzz")
    parser.add_argument("seed", type=int, nargs="?", default=15)
    parser.add_argument("payloads", type=int, nargs="?", default=PAYLOADS)
    parser.add_argument("--write", action="store_true", help="put the result into docs/benchmarks/faults.md")
    options = parser.parse_args()
    # Of large payloads the SDK warns, and there are many.
    quiet = LoggingConfig(filter=TelemetryFilter(core_level="ERROR", other_level="ERROR"))
    Runtime.set_default(Runtime(telemetry=TelemetryConfig(logging=quiet)))
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="stockkeeper-fuzz-") as logs:
        tally = asyncio.run(fuzz(options.seed, options.payloads, Path(logs)))
    seconds = time.monotonic() - begun
    section = render(tally, seed=options.seed, payloads=options.payloads, seconds=seconds)
    sys.stdout.write(section)
    if options.write:
        write(section)
    if tally.violations:
        sys.stdout.write(f"\nAgain: python -m tests.faults.fuzz {options.seed} {options.payloads}\n")
    return 1 if tally.violations else 0


if __name__ == "__main__":
    sys.exit(main())
