"""Connections that outlive their certificates: a client whose way to Temporal is replaced while it is in use.

The SDK reads certificates once, when it connects, and goes on with them until the connection breaks. So a process that
runs for longer than its certificate looks at what its settings say now, and connects anew when that has changed
(ADR 0073).
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from google.protobuf.message import Message
from temporalio.client import Client
from temporalio.envconfig import ClientConnectConfig
from temporalio.service import ServiceClient
from temporalio.worker import Worker

from stockkeeper.client.connection import connect_by, settings_of_connection
from stockkeeper.contracts.errors import Unreachable

LOOKS_EVERY = timedelta(seconds=10)
"""How often the settings of a connection are looked at. Certificates are renewed hours before they end."""

_log = logging.getLogger("stockkeeper.connection")


class RenewableServiceClient(ServiceClient):
    """Hands every call to the connection that is the present one.

    Whatever holds a client of it (a worker, probes, signals of activities) goes over the new connection from its next
    call on.

    Attributes:
        current: The connection.
        workers: Those who take tasks by it.
    """

    def __init__(self, current: ServiceClient) -> None:
        super().__init__(current.config)
        self.current = current
        self.workers: list[Worker] = []

    def replace(self, current: ServiceClient) -> None:
        """Go on over another connection; calls under way end on the one that they began on."""
        self.current, self.config = current, current.config
        for worker in self.workers:
            # The same client: what the worker takes tasks by is read off it anew.
            worker.client = worker.client

    @property
    def worker_service_client(self) -> Any:
        """What a worker takes tasks by; it keeps what it has got until its own client is set again."""
        return self.current.worker_service_client

    def update_rpc_metadata(self, metadata: Mapping[str, str | bytes]) -> None:
        """Send these headers with every call."""
        self.current.update_rpc_metadata(metadata)

    def update_api_key(self, api_key: str | None) -> None:
        """Show another API key."""
        self.current.update_api_key(api_key)

    async def _rpc_call(self, rpc: str, req: Message, resp_type: Any, **how: Any) -> Any:
        return await self.current._rpc_call(rpc, req, resp_type, **how)  # noqa: SLF001 - the SDK's way to wrap a connection


def renewable(client: Client) -> Client:
    """The same client, over a connection that can be replaced."""
    return Client(**client.config() | {"service_client": RenewableServiceClient(client.service_client)})


@asynccontextmanager
async def taking_tasks(worker: Worker) -> AsyncIterator[None]:
    """As long as a worker works, let it take its tasks over its client's present connection, if that is renewable."""
    service_client = worker.client.service_client
    workers = service_client.workers if isinstance(service_client, RenewableServiceClient) else []
    workers.append(worker)
    try:
        yield
    finally:
        workers.remove(worker)


class Renewal:
    """Connects workers' client anew when certificates, the API key or the address in its settings have changed.

    Args:
        client: A client of `renewable`.
        connected_by: The settings that it was connected by.
        read: Reads the settings as they are now, with the content of all files that they name.
    """

    def __init__(
        self,
        client: Client,
        connected_by: ClientConnectConfig,
        read: Callable[[], ClientConnectConfig] = settings_of_connection,
    ) -> None:
        self._client = client
        self._connected_by = connected_by
        self._read = read

    @asynccontextmanager
    async def while_working(self) -> AsyncIterator[None]:
        """Look again and again, as long as its workers work."""
        looking = asyncio.create_task(self._look_again())
        try:
            yield
        finally:
            looking.cancel()

    async def _look_again(self) -> None:
        while True:
            await asyncio.sleep(LOOKS_EVERY.total_seconds())
            try:
                await self.look()
            except Exception:  # noqa: BLE001 - whatever it is, the worker goes on over the connection that it has
                _log.exception("the settings of the connection to Temporal can't be looked at")

    async def look(self) -> bool:
        """Connect anew if the settings have changed; whether they have, and the new connection is in use."""
        try:
            now = await asyncio.to_thread(self._read)
            if now == self._connected_by:
                return False
            connected = await connect_by(now)
        except Unreachable as error:
            # Such as a certificate that is there before its key: the next look sees both.
            _log.warning("the connection to Temporal stays as it is, because its new settings don't work: %s", error)
            return False
        service_client = self._client.service_client
        if not isinstance(service_client, RenewableServiceClient):
            raise TypeError("the client's connection can't be replaced")
        service_client.replace(connected.service_client)
        self._connected_by = now
        _log.info("connected to Temporal anew: the certificate or another setting of the connection has changed")
        return True
