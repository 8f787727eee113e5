"""Connections to Temporal, by the ``TEMPORAL_*`` variables and ``temporal.toml`` profiles, with our converter."""

import os
from datetime import timedelta

from temporalio.client import Client
from temporalio.envconfig import ClientConfig, ClientConnectConfig

from stockkeeper.contracts.converter import DATA_CONVERTER
from stockkeeper.contracts.errors import Unreachable
from stockkeeper.contracts.policies import TASK_QUEUE

LOCAL_ADDRESS = "localhost:7233"

ANSWER_WITHIN = timedelta(seconds=30)
"""How long a call waits for its answer. A healthy worker needs some hundredths of a second."""


class Connection:
    """Temporal client, task queue and patience of a caller: the first argument of everything that asks or commands.

    Attributes:
        client: The Temporal client, with Stockkeeper's converter and a namespace.
        task_queue: The task queue that the workers listen on.
        answer_within: How long each call waits for its answer before it raises `Unreachable`.
        standalone_activities: Whether the server runs standalone activities; None until the first question.
    """

    def __init__(
        self, client: Client, task_queue: str = TASK_QUEUE, *, answer_within: timedelta = ANSWER_WITHIN
    ) -> None:
        self.client = client
        self.task_queue = task_queue
        self.answer_within = answer_within
        self.standalone_activities: bool | None = None


def task_queue() -> str:
    """The task queue that the workers listen on: ``STOCKKEEPER_TASK_QUEUE``, or ``stockkeeper``."""
    return os.environ.get("STOCKKEEPER_TASK_QUEUE") or TASK_QUEUE


async def connect_temporal(address: str | None = None, namespace: str | None = None) -> Client:
    """A Temporal client that reads and writes Stockkeeper's payloads.

    Args:
        address: ``host:port``; None: by the environment or a profile, or else ``localhost:7233``.
        namespace: The same for the namespace; in the end ``default``.

    Raises:
        Unreachable: No Temporal server answers at that address.
    """
    config = ClientConfig.load_client_connect_config()
    config["target_host"] = address or config.get("target_host") or LOCAL_ADDRESS
    if namespace:
        config["namespace"] = namespace
    return await _connected(config)


async def connect_plainly(address: str, namespace: str) -> Client:
    """A client for a dev server on this machine: without the TLS or API key that the environment has for another.

    Raises:
        Unreachable: No Temporal server answers at that address.
    """
    return await _connected({"target_host": address, "namespace": namespace})


async def _connected(config: ClientConnectConfig) -> Client:
    try:
        return await Client.connect(**config, data_converter=DATA_CONVERTER)
    except (RuntimeError, ValueError) as error:
        raise Unreachable(f"no Temporal server answers at {config.get('target_host')}") from error
