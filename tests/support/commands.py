"""The command line as a person uses it."""

import json
from collections.abc import Awaitable, Callable

from sqlalchemy import Engine, select
from typer.testing import Result

from database.tables import products, warehouses
from stockkeeper.domain.stock import ItemKey
from tests.support.wire import Json

Command = Callable[..., Awaitable[Result]]


def names(engine: Engine, item: ItemKey) -> tuple[str, str]:
    """What people call an item: SKU and warehouse."""
    with engine.connect() as connection:
        sku = connection.execute(select(products.c.sku).where(products.c.product_id == item.product_id)).scalar_one()
        place = connection.execute(
            select(warehouses.c.name).where(warehouses.c.warehouse_id == item.warehouse_id)
        ).scalar_one()
    return str(sku), str(place)


def words(printed: str) -> str:
    """What is printed, without the tables' lines and spaces: wherever a cell was broken."""
    return " ".join(word for word in printed.split() if set(word) != {"─"})


class DocumentCommands:
    """The commands to one document.

    Args:
        command: Runs a command.
        group: The first word of these commands.
        number: The document's number.
    """

    def __init__(self, command: Command, group: str, number: str) -> None:
        self._command = command
        self._group = group
        self.number = number

    async def run(self, verb: str, *options: str) -> Result:
        """Exit status and everything that is printed."""
        return await self._command(self._group, verb, self.number, *options)

    async def json(self, verb: str, *options: str) -> Json:
        """The state that a command answers with."""
        done = await self.run(verb, *options, "--json")
        assert (done.exit_code, done.stderr) == (0, "")
        return json.loads(done.stdout)

    async def told(self, verb: str, *options: str) -> str:
        """What a command prints for people."""
        done = await self.run(verb, *options)
        assert done.exit_code == 0, done.stderr
        return done.stdout

    async def refused(self, verb: str, *options: str) -> str:
        """The one line that a command is refused with."""
        done = await self.run(verb, *options)
        assert (done.exit_code, done.stdout) == (1, "")
        return done.stderr
