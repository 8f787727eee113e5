"""The console beside a stack of this machine, for trying it out."""

import getpass
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from starter.console.serve import ConsoleRunning, console_running
from stockkeeper.client.connection import connect_plainly, connect_temporal
from stockkeeper.client.databases import connection_to
from stockkeeper.client.identity import Token, token_by
from stockkeeper.client.stockkeeper import Stockkeeper
from stockkeeper.contracts.settings import queues_of

LOOPBACK = "127.0.0.1"


class Stack(Protocol):
    """Where the parts of a stack are; `devstack.stack.StackInfo`."""

    @property
    def temporal_address(self) -> str:
        """Host and port of Temporal."""
        ...

    @property
    def namespace(self) -> str:
        """The Temporal namespace."""
        ...

    @property
    def task_queue(self) -> str:
        """The workers' queue."""
        ...

    @property
    def ui_url(self) -> str | None:
        """Temporal's Web UI; None if it isn't ours to run."""
        ...

    @property
    def databases(self) -> str:
        """The queues of several databases; empty: there is one."""
        ...


def people_of_this_machine() -> list[str]:
    """Who gets a link if nobody is named: who is at this machine, and somebody to approve what they draft."""
    me = getpass.getuser()
    return [me, "colleague" if me != "colleague" else "another"]


def console_beside(stack: Stack, port: int) -> AbstractAsyncContextManager[ConsoleRunning]:
    """Run the console of a stack, on this machine's own address.

    Args:
        stack: The stack.
        port: The port; 0: any that is free.
    """

    async def connect(identity: Token | None) -> Stockkeeper:
        connect = connect_temporal if stack.ui_url is None else connect_plainly
        client = await connect(stack.temporal_address, stack.namespace, identity=identity or token_by())
        return Stockkeeper(connection_to(client, stack.task_queue, queues_of(stack.databases)))

    people = people_of_this_machine()
    return console_running(connect, LOOPBACK, port, [], people, ui_url=stack.ui_url, namespace=stack.namespace)
