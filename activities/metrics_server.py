"""A worker's metrics, the SDK's and its own, for Prometheus."""

import socket

from temporalio.runtime import PrometheusConfig, Runtime, TelemetryConfig

from activities.health_server import host_and_port
from activities.metrics import BUCKETS
from activities.settings import WorkerSettings
from stockkeeper.domain.errors import StockkeeperError

_LOOPBACK = "127.0.0.1"


def serve_metrics(settings: WorkerSettings) -> tuple[str, int] | None:
    """Serve Prometheus metrics, if the settings say where; before the first connection to Temporal.

    A worker's health is read off them. If only that is asked for, they are served on a free port to this machine alone.

    Returns:
        Where this process can read them, for its health; None: nobody wants to.

    Raises:
        StockkeeperError: The address isn't one, or its port is taken.
    """
    address = settings.metrics_address
    if not address:
        if not settings.health_address:
            return None
        with socket.create_server((_LOOPBACK, 0)) as free:
            address = f"{_LOOPBACK}:{free.getsockname()[1]}"
    try:
        exporter = PrometheusConfig(bind_address=address, histogram_bucket_overrides=BUCKETS)
        runtime = Runtime(telemetry=TelemetryConfig(metrics=exporter))
    except ValueError as error:
        problem = (
            "must be an IP address and a port, such as 0.0.0.0:9464"
            if "syntax" in str(error)
            else f"can't be listened on: {str(error).rpartition(': ')[2]}"
        )
        raise StockkeeperError(f"STOCKKEEPER_METRICS_ADDRESS {address} {problem}") from None
    Runtime.set_default(runtime)
    if not settings.health_address:
        return None
    try:
        host, port = host_and_port(address)
    except ValueError as error:
        raise StockkeeperError(f"STOCKKEEPER_METRICS_ADDRESS {address} {error}") from None
    everywhere = {"0.0.0.0": _LOOPBACK, "::": "::1"}  # noqa: S104 - an address of the settings is looked up
    return everywhere.get(host, host), port
