"""Preparation of a Temporal namespace: search attributes, and the way in which questions travel."""

import asyncio
from datetime import timedelta

from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from stockkeeper.contracts import search_attributes

_SEEN_EVERYWHERE_WITHIN = timedelta(seconds=30)


async def register_search_attributes(client: Client) -> list[str]:
    """Register missing search attributes, and wait until the server accepts them in workflows.

    A workflow that sets an attribute unknown to its server is stuck, so they are registered before work begins.

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
        # Another setup was faster.
        if error.status is not RPCStatusCode.ALREADY_EXISTS:
            raise
    async with asyncio.timeout(_SEEN_EVERYWHERE_WITHIN.total_seconds()):
        while await missing_search_attributes(client):  # noqa: ASYNC110 - the server has no event for it
            await asyncio.sleep(0.05)
    return sorted(missing)


async def missing_search_attributes(client: Client) -> list[str]:
    """The search attributes that the namespace lacks."""
    answer = await client.operator_service.list_search_attributes(
        ListSearchAttributesRequest(namespace=client.namespace)
    )
    return sorted(search_attributes.TYPES.keys() - set(answer.custom_attributes))


async def has_standalone_activities(client: Client) -> bool:
    """Whether the namespace runs standalone activities, by which questions are asked; without them a workflow asks."""
    described = await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=client.namespace))
    return described.namespace_info.capabilities.standalone_activities
