"""Shows a subscriber's secret to whoever may subscribe: sealed to a key that only the caller has (ADR 0094)."""

from datetime import timedelta

from temporalio import activity
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from activities.event_subscriber import NO_KEY
from activities.writes import database_errors
from stockkeeper.contracts.event_subscriber import (
    PROCESS,
    WORKFLOW_TYPE,
    EventSubscriberState,
    ShowWebhookSecret,
    WebhookSecretActivities,
    WebhookSecretSealed,
)
from stockkeeper.contracts.sealed_secret import seal
from stockkeeper.contracts.webhook import signing_secret
from stockkeeper.domain.errors import InvalidRequest

_STATE_WITHIN = timedelta(seconds=5)


class WebhookSecrets(WebhookSecretActivities):
    """`WebhookSecretActivities` by the workers' key.

    Args:
        key: What the secrets are derived from; empty: webhooks aren't set up.
        task_queue: The task queue of this database's workers: it has subscribers of its own.
    """

    def __init__(self, key: str, task_queue: str) -> None:
        self._key = key
        self._task_queue = task_queue

    @activity.defn(name="show_webhook_secret")
    async def show_webhook_secret(self, question: ShowWebhookSecret) -> WebhookSecretSealed:
        """The secret that signs for a subscriber now. The role was looked at before: that of subscribing is needed.

        Raises:
            InvalidRequest: There is no key, nobody is subscribed under that name here, or another secret signs by now.
        """
        with database_errors():
            if not self._key:
                raise InvalidRequest(NO_KEY)
            generation = await _generation(activity.client(), question.name, self._task_queue)
            if question.generation not in (None, generation):
                raise InvalidRequest(f"generation: secret no. {generation} signs for {question.name} now")
            secret = signing_secret(self._key, question.name, generation)
            try:
                sealed = seal(secret, question.name, generation, question.public_key)
            except ValueError as error:
                raise InvalidRequest(f"public_key: {error}") from None
        return WebhookSecretSealed(
            name=question.name, generation=generation, public_key=sealed.public_key, sealed=sealed.data
        )


async def _generation(client: Client, name: str, task_queue: str) -> int:
    """The number of the secret that signs for a subscriber.

    Raises:
        InvalidRequest: Nobody of that name is subscribed.
    """
    nobody = InvalidRequest(f"name: nobody is subscribed as {name}")
    run = client.get_workflow_handle(PROCESS.id_of(name))
    try:
        found = await run.describe(rpc_timeout=_STATE_WITHIN)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            raise nobody from None
        raise
    is_here = (found.workflow_type, found.task_queue) == (WORKFLOW_TYPE, task_queue)
    if not is_here or found.status is not WorkflowExecutionStatus.RUNNING:
        raise nobody
    # Of this very run: what comes after it may be somebody else.
    state: EventSubscriberState = await client.get_workflow_handle(run.id, run_id=found.run_id).query(
        "state", result_type=EventSubscriberState, rpc_timeout=_STATE_WITHIN
    )
    # A start that isn't vouched for yet has no name, and neither has one that failed.
    if state.name != name or PROCESS.is_over(state.status):
        raise nobody
    return state.generation
