"""What an operator does about versions of the workers."""

from datetime import UTC, datetime

from temporalio.api.workflowservice.v1 import (
    DescribeWorkerDeploymentRequest,
    SetWorkerDeploymentCurrentVersionRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError

from activities.standing import routing_of
from tests.support.wire import eventually


async def set_current(client: Client, task_queue: str, deployment: str, build_id: str) -> datetime:
    """Make a version current, or, without a build, workers that have none; as soon as Temporal knows its workers.

    Returns:
        When it became current, by Temporal's clock.
    """
    request = SetWorkerDeploymentCurrentVersionRequest(
        namespace=client.namespace, deployment_name=deployment, build_id=build_id
    )

    async def is_set() -> bool:
        try:
            await client.workflow_service.set_worker_deployment_current_version(request)
        except RPCError:
            return False
        current = (await routing_of(client, task_queue)).current
        return (current.build_id if current else "") == build_id

    await eventually(is_set, bool)
    described = await client.workflow_service.describe_worker_deployment(
        DescribeWorkerDeploymentRequest(namespace=client.namespace, deployment_name=deployment)
    )
    return described.worker_deployment_info.routing_config.current_version_changed_time.ToDatetime(UTC)
