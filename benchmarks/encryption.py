"""An order's life with encrypted payloads, against the same in the clear.

`python -m benchmarks.encryption` (`--rounds`, `--orders`, `--at-once`). Two workers share one stack and take turns,
each round in another order; the callers of the one encrypt what they send as well, in the process that measures.
"""

import argparse
import asyncio
import base64
import dataclasses
import os
import random
import statistics
from collections.abc import Sequence

import psutil
from temporalio.client import Client
from temporalio.common import HeaderCodecBehavior

from benchmarks.order_life import ITEMS, WARM_UP, ratio
from benchmarks.order_life_stage import Side, cpu_seconds, staged, worker_on
from stockkeeper.client.encryption import EncryptionCodec, parse_keys
from stockkeeper.contracts.encryption import KEYS, key_id_of
from tests.support.encrypted import payloads_of

WITH, WITHOUT = "encrypted", "in the clear"
BAR = 0.95


@dataclasses.dataclass
class Found:
    """What was measured, a value a round; and of one order the payloads that its history keeps encrypted."""

    orders_per_second: dict[str, list[float]]
    cpu_ms: dict[str, list[float]]
    history_bytes: dict[str, int]
    encrypted_payloads: int = 0


async def measure(rounds: int, orders: int, at_once: int) -> Found:
    """Orders a second, CPU milliseconds of the worker an order, and the bytes of an order's history."""
    found = Found({WITH: [], WITHOUT: []}, {WITH: [], WITHOUT: []}, {})
    keys, chance = f"bench:{base64.b64encode(os.urandom(32)).decode()}", random.Random(0)
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
            for name, (side, _) in sides.items():
                await side.lives(WARM_UP, at_once)
                history = (await (await side.life()).fetch_history()).events
                found.history_bytes[name] = sum(event.ByteSize() for event in history)
                hidden = [each for event in history for each in payloads_of(event) if key_id_of(each) is not None]
                found.encrypted_payloads = found.encrypted_payloads or len(hidden)
            for _ in range(rounds):
                for name in chance.sample(list(sides), len(sides)):
                    side, worker = sides[name]
                    before = cpu_seconds(worker)
                    seconds = await side.lives(orders, at_once)
                    found.orders_per_second[name].append(orders / seconds)
                    found.cpu_ms[name].append((cpu_seconds(worker) - before) / orders * 1000)
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
        per_second, cpu = statistics.median(found.orders_per_second[name]), statistics.median(found.cpu_ms[name])
        print(f"| {name} | {per_second:.1f} | {cpu:.2f} | {found.history_bytes[name]:,} |")
    print(f"an order's history has {found.encrypted_payloads} encrypted payloads")
    for what, of in (("orders a second", found.orders_per_second), ("worker CPU an order", found.cpu_ms)):
        each = ", ".join(f"{one / other:.2f}" for one, other in zip(of[WITH], of[WITHOUT], strict=True))
        print(f"{what}, encrypted against in the clear: {ratio(of[WITH], of[WITHOUT]):.3f} ({each})")
    print(f"bar: orders a second at least {BAR} of those in the clear")


if __name__ == "__main__":
    main()
