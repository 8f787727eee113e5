"""A worker that sends events is killed: the next one goes on where it was, and nothing is left out."""

import threading
from collections.abc import Callable

from sqlalchemy import Engine
from temporalio.client import Client

from database.sessions import Database
from stockkeeper import Connection, Stockkeeper
from tests.faults.workplace import Workplace
from tests.support.shop import Shop, new_reference
from tests.support.webhooks import News, Received, Receiver
from tests.support.wire import eventually
from worker import working


async def test_a_worker_killed_while_it_sends_leaves_nothing_out(
    workplace: Callable[[], Workplace], our_client: Client, database: Database, engine: Engine, shop: Shop
) -> None:
    place, news, name = workplace(), News(engine, [shop.product() for _ in range(5)]), new_reference("killed")
    stock = Stockkeeper(Connection(our_client, place.settings.task_queue))
    go_on = threading.Event()

    def hold(came: Received) -> int:
        # The rest of them has to wait until the worker is dead.
        if came.requests > 20:
            go_on.wait(60)
        return 200

    with Receiver(hold).open() as receiver:
        async with place.worker() as first:
            numbers = news.happen(40)
            await stock.subscribe(
                receiver.url, name=name, products=news.product_ids, after=numbers[0] - 1, performed_by="ann"
            )

            async def requests() -> int:
                return len(receiver.received)

            await eventually(requests, lambda came: came >= 24)
            first.kill()
            await first.wait()
        go_on.set()
        async with working(our_client, database, place.settings):
            await receiver.has(numbers)
            assert {*receiver.taken} == {*numbers}
            keys = receiver.key_of()
            for key in {*keys.values()}:
                seen = list(dict.fromkeys(each for each in receiver.taken if keys[each] == key))
                assert seen == sorted(seen)
