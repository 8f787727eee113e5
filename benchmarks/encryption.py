"""An order's life with encrypted payloads, against the same in the clear.

`python -m benchmarks.encryption` (`--rounds`, `--orders`, `--at-once`). Two workers share one stack and take turns,
each round in another order; the callers of the one encrypt what they send as well, in the process that measures.
"""

import argparse
import asyncio
import base64
import dataclasses
import os
import statistics
from collections.abc import Sequence

import psutil
from temporalio.client import Client
from temporalio.common import HeaderCodecBehavior

from benchmarks.order_life import ITEMS, WARM_UP
from benchmarks.order_life_stage import Runner, Side, Turns, compared, staged, take_turns, worker_on
from stockkeeper.client.encryption import EncryptionCodec, parse_keys
from stockkeeper.contracts.encryption import KEYS, key_id_of
from tests.support.encrypted import payloads_of

WITH, WITHOUT = "encrypted", "in the clear"
BAR = 0.95


@dataclasses.dataclass
class Found:
    """What each side reached; and of one order the payloads that its history keeps encrypted."""

    turns: dict[str, Turns] = dataclasses.field(default_factory=dict)
    history_bytes: dict[str, int] = dataclasses.field(default_factory=dict)
    encrypted_payloads: int = 0


async def measure(rounds: int, orders: int, at_once: int) -> Found:
    """Orders a second, CPU milliseconds of the worker an order, and the bytes of an order's history."""
    found = Found()
    keys = f"bench:{base64.b64encode(os.urandom(32)).decode()}"
    async with staged(ITEMS) as stage:
        plain = stage.ours.client
        converter = dataclasses.replace(plain.data_converter, payload_codec=EncryptionCodec(parse_keys(keys)))
        encrypting = Client(
            **plain.config() | {"data_converter": converter, "header_codec_behavior": HeaderCodecBehavior.CODEC}
        )
        with (
            worker_on(stage, WITH, {KEYS: keys}) as one,
            worker_on(stage, WITHOUT, {}) as other,
        ):
            sides: dict[str, tuple[Side, psutil.Process]] = {
                name: (dataclasses.replace(stage.ours, queue=name, client=client), worker)
                for name, worker, client in ((WITH, one, encrypting), (WITHOUT, other, plain))
            }
            runners = {name: Runner.of(*each) for name, each in sides.items()}
            found.turns = await take_turns(runners, rounds, orders, at_once, WARM_UP)
            for name, (side, _) in sides.items():
                history = (await (await side.life()).fetch_history()).events
                found.history_bytes[name] = sum(event.ByteSize() for event in history)
                hidden = [each for event in history for each in payloads_of(event) if key_id_of(each) is not None]
                found.encrypted_payloads = found.encrypted_payloads or len(hidden)
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--orders", type=int, default=300)
    parser.add_argument("--at-once", type=int, default=50)
    given = parser.parse_args(arguments)
    found = asyncio.run(measure(given.rounds, given.orders, given.at_once))
    print("| payloads | orders a second | worker CPU an order, ms | an order's history, bytes |\n|---|---:|---:|---:|")
    for name in (WITH, WITHOUT):
        turns = found.turns[name]
        per_second, cpu = statistics.median(turns.per_second), statistics.median(turns.cpu_ms)
        print(f"| {name} | {per_second:.1f} | {cpu:.2f} | {found.history_bytes[name]:,} |")
    print(f"an order's history has {found.encrypted_payloads} encrypted payloads")
    print(compared(found.turns[WITH], found.turns[WITHOUT], "encrypted against in the clear"))
    print(f"bar: orders a second at least {BAR} of those in the clear")


if __name__ == "__main__":
    main()
