"""Tryton 8.2: assign the move of a customer shipment of one unit, as its client does.

A caller makes a shipment with one move, lets it wait, and tries to assign it (`stock.shipment.out`: `wait`,
`assign_try`; the stock module's page "Usage", "Assign"). Each of the three calls is a transaction of its own, repeated
as often as the server repeats it (`trytond.protocols.dispatcher`, setting `[database] retry`, 5 by default).
"""

import os
import time
import warnings
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

warnings.simplefilter("ignore")


class Unassigned(Exception):
    """There wasn't enough to assign; the client says so to its user."""


REFUSALS = (Unassigned,)
DATABASE = ""
CONTEXT: dict[str, int] = {}


def _configure(settings: dict[str, str]) -> None:
    global DATABASE  # noqa: PLW0603 one database a process
    url = urlsplit(settings["url"])
    DATABASE = url.path.lstrip("/")
    os.environ["DB_NAME"] = DATABASE
    os.environ["TRYTOND_DATABASE_URI"] = f"postgresql://{url.username}:{url.password}@{url.hostname}:{url.port}/"


def prepare(settings: dict[str, str]) -> None:
    """Make the tables of the stock module, and a company; its own tools make the database, too."""
    _configure(settings)
    import psycopg

    with psycopg.connect(settings["url"].rsplit("/", 1)[0] + "/postgres", autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {DATABASE}".encode())
    from trytond.modules.company.tests.tools import create_company
    from trytond.tests.tools import activate_modules

    activate_modules("stock", create_company)


def open(settings: dict[str, str]) -> None:  # noqa: A001 the name that all adapters have
    """Load the modules."""
    _configure(settings)
    from trytond.pool import Pool

    Pool.start()
    Pool(DATABASE).init()
    CONTEXT["company"] = _call(lambda pool: pool.get("company.company").search([])[0].id)


def _call(work: Callable[[Any], Any]) -> Any:
    """A call of its client: a transaction, tried again as the server's dispatcher does."""
    from trytond import backend
    from trytond.config import config
    from trytond.pool import Pool
    from trytond.transaction import Transaction, TransactionError

    retry = config.getint("database", "retry")
    extras: dict[str, Any] = {}
    count = 0
    while True:
        if count:
            time.sleep(0.02 * count)
        with Transaction().start(DATABASE, 1, context=CONTEXT, **extras) as transaction:
            try:
                answer = work(Pool(DATABASE))
            except TransactionError as error:
                transaction.rollback()
                error.fix(extras)
                continue
            except backend.DatabaseOperationalError:
                if count == retry:
                    raise
                transaction.rollback()
                count += 1
                continue
            transaction.commit()
            return answer


def _location(pool: Any, code: str) -> Any:
    [found] = pool.get("stock.location").search([("code", "=", code)])
    return found


def stock(units: int) -> int:
    """A product, counted in an inventory; its key."""

    def work(pool: Any) -> int:
        [unit] = pool.get("product.uom").search([("name", "=", "Unit")])
        template = pool.get("product.template")(name="Kettle", type="goods", default_uom=unit)
        template.products = [pool.get("product.product")()]
        template.save()
        [product] = template.products
        inventory = pool.get("stock.inventory")(location=_location(pool, "STO"), empty_quantity="keep")
        inventory.lines = [pool.get("stock.inventory.line")(product=product, quantity=units)]
        inventory.save()
        pool.get("stock.inventory").confirm([inventory])
        return int(product.id)

    return int(_call(work))


def hold(item: int) -> None:
    """A shipment, waiting, then assigned."""

    def make(pool: Any) -> int:
        party = pool.get("party.party")(name="A Buyer", addresses=[pool.get("party.address")()])
        party.save()
        shipment = pool.get("stock.shipment.out")(customer=party, delivery_address=party.addresses[0])
        shipment.warehouse = _location(pool, "WH")
        shipment.warehouse_output = shipment.warehouse.output_location
        shipment.warehouse_storage = shipment.warehouse.storage_location
        product = pool.get("product.product")(item)
        move = pool.get("stock.move")(product=product, unit=product.default_uom, quantity=1, unit_price=1)
        move.from_location, move.to_location = _location(pool, "OUT"), _location(pool, "CUS")
        move.currency = pool.get("company.company")(CONTEXT["company"]).currency
        shipment.outgoing_moves = [move]
        shipment.save()
        return int(shipment.id)

    shipment = _call(make)

    def on(method: str) -> Callable[[Any], str]:
        def work(pool: Any) -> str:
            shipments = pool.get("stock.shipment.out")
            getattr(shipments, method)(shipments.browse([shipment]))
            return str(shipments(shipment).state)

        return work

    _call(on("wait"))
    state = _call(on("assign_try"))
    if state != "assigned":
        raise Unassigned(f"the shipment is {state}")


def promised(item: int) -> int:
    """Units of assigned moves from the storage."""

    def work(pool: Any) -> int:
        found = pool.get("stock.move").search(
            [("product", "=", item), ("state", "=", "assigned"), ("from_location.code", "=", "STO")]
        )
        return sum(int(move.quantity) for move in found)

    return int(_call(work))
