"""The Nexus endpoint by which other teams' workflows find the workers of Stockkeeper."""

from dataclasses import dataclass

from temporalio.api.nexus.v1 import EndpointSpec, EndpointTarget
from temporalio.api.operatorservice.v1 import CreateNexusEndpointRequest, ListNexusEndpointsRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from stockkeeper.contracts.errors import StockkeeperError


@dataclass(frozen=True)
class Target:
    """Where an endpoint leads. Empty: to another server."""

    namespace: str
    task_queue: str


async def find_endpoint(client: Client, name: str) -> Target | None:
    """Where the endpoint of this name leads; None: there is none."""
    found = await client.operator_service.list_nexus_endpoints(ListNexusEndpointsRequest(name=name))
    if not found.endpoints:
        return None
    worker = found.endpoints[0].spec.target.worker
    return Target(worker.namespace, worker.task_queue)


async def make_endpoint(client: Client, name: str, task_queue: str) -> bool:
    """Make the endpoint, unless it is there; one server's endpoints are common to all of its namespaces.

    Args:
        client: The namespace of the workers.
        name: The endpoint.
        task_queue: Their task queue.

    Returns:
        Whether it was made now.

    Raises:
        StockkeeperError: It leads elsewhere, or this account may not make it.
    """
    wanted = Target(client.namespace, task_queue)
    worker = EndpointTarget.Worker(namespace=wanted.namespace, task_queue=wanted.task_queue)
    spec = EndpointSpec(name=name, target=EndpointTarget(worker=worker))
    try:
        there = await find_endpoint(client, name)
        if there is None:
            try:
                await client.operator_service.create_nexus_endpoint(CreateNexusEndpointRequest(spec=spec))
            except RPCError as error:
                # Another setup was faster.
                if error.status is not RPCStatusCode.ALREADY_EXISTS:
                    raise
                there = await find_endpoint(client, name)
            else:
                return True
    except RPCError as error:
        raise StockkeeperError(
            f"the Nexus endpoint {name} can't be made: {error.message}; make it with your server's own tool, for "
            f"namespace {wanted.namespace} and task queue {wanted.task_queue}"
        ) from error
    if there != wanted:
        raise StockkeeperError(f"the Nexus endpoint {name} leads elsewhere: choose another STOCKKEEPER_NEXUS_ENDPOINT")
    return False
