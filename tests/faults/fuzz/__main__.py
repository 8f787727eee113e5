"""Fuzzes a stack of its own: ``python -m tests.faults.fuzz [SEED] [PAYLOADS]``; 10,000 payloads unless told otherwise.

The workers are processes of their own, so that one that crashes is seen. The exit status is 1 if anything came of a
payload that isn't in the contract; the same seed and number send the same payloads again.
"""

import asyncio
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from pydantic import SecretStr
from temporalio.client import Client

from database.migrate import upgrade
from database.sessions import connect
from devstack.stack import running_stack
from starter.namespace import register_search_attributes
from tests.faults.fuzz.lanes import Tally
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
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    payloads = int(sys.argv[2]) if len(sys.argv) > 2 else PAYLOADS
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as logs:
        tally = asyncio.run(fuzz(seed, payloads, Path(logs)))
    took = time.monotonic() - begun
    for (way, what), number in sorted(tally.outcomes.items()):
        print(f"{way:32} {what:20} {number:6}")
    for violation in tally.violations:
        print(f"violation: {violation}")
    answered = Counter[str]()
    for (_, what), number in tally.outcomes.items():
        answered[what] += number
    print(
        f"seed {seed}: {payloads} payloads in {took:.0f} s, {len(tally.violations)} violations, "
        f"{tally.unjudged} refusals beside a deadline; {dict(answered)}"
    )
    return 1 if tally.violations else 0


if __name__ == "__main__":
    sys.exit(main())
