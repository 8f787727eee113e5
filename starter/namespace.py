"""What a Temporal namespace has to know before a worker can run in it."""

import asyncio
from datetime import timedelta

from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from stockkeeper.contracts import search_attributes

_SEEN_EVERYWHERE_WITHIN = timedelta(seconds=30)


async def register_search_attributes(client: Client) -> list[str]:
    """Register what is missing, and wait until the server accepts it in workflows.

    A workflow that sets an attribute that its server doesn't know is stuck, so it has to be known before work begins.

    Returns:
        The names that were added.
    """
    missing = {name: search_attributes.TYPES[name] for name in await missing_search_attributes(client)}
    if not missing:
        return []
    try:
        await client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(namespace=client.namespace, search_attributes=missing)
        )
    except RPCError as error:
        # Somebody else was faster.
        if error.status is not RPCStatusCode.ALREADY_EXISTS:
            raise
    async with asyncio.timeout(_SEEN_EVERYWHERE_WITHIN.total_seconds()):
        while await missing_search_attributes(client):  # noqa: ASYNC110 - the server has no event for it
            await asyncio.sleep(0.05)
    return sorted(missing)


async def missing_search_attributes(client: Client) -> list[str]:
    """The names that the namespace doesn't know yet."""
    answer = await client.operator_service.list_search_attributes(
        ListSearchAttributesRequest(namespace=client.namespace)
    )
    return sorted(search_attributes.TYPES.keys() - set(answer.custom_attributes))
