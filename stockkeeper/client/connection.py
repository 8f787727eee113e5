"""How to reach Temporal: the standard ``TEMPORAL_*`` variables and ``temporal.toml`` profiles, and our converter."""

import os

from temporalio.client import Client
from temporalio.envconfig import ClientConfig, ClientConnectConfig

from stockkeeper.contracts.converter import DATA_CONVERTER
from stockkeeper.contracts.errors import Unreachable
from stockkeeper.contracts.policies import TASK_QUEUE

LOCAL_ADDRESS = "localhost:7233"


def task_queue() -> str:
    """The task queue that the workers listen on: ``STOCKKEEPER_TASK_QUEUE``, or ``stockkeeper``."""
    return os.environ.get("STOCKKEEPER_TASK_QUEUE") or TASK_QUEUE


async def connect_temporal(address: str | None = None, namespace: str | None = None) -> Client:
    """A client that speaks Stockkeeper's payloads.

    Args:
        address: ``host:port``; None: what the environment or a profile says, or else ``localhost:7233``.
        namespace: The same for the namespace; in the end ``default``.

    Raises:
        Unreachable: Nobody answers there.
    """
    config = ClientConfig.load_client_connect_config()
    config["target_host"] = address or config.get("target_host") or LOCAL_ADDRESS
    if namespace:
        config["namespace"] = namespace
    return await _connected(config)


async def connect_plainly(address: str, namespace: str) -> Client:
    """A client for a dev server on this machine: without the TLS or API key that the environment has for another.

    Raises:
        Unreachable: Nobody answers there.
    """
    return await _connected({"target_host": address, "namespace": namespace})


async def _connected(config: ClientConnectConfig) -> Client:
    try:
        return await Client.connect(**config, data_converter=DATA_CONVERTER)
    except (RuntimeError, ValueError) as error:
        raise Unreachable(f"no Temporal server answers at {config.get('target_host')}") from error
