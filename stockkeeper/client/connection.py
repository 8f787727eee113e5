"""Connections to Temporal, by the ``TEMPORAL_*`` variables and ``temporal.toml`` profiles, with our converter.

Payloads are encrypted if ``STOCKKEEPER_ENCRYPTION_KEYS`` or the file of them is set (`stockkeeper.client.encryption`).
"""

import asyncio
import atexit
import os
import re
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.common import HeaderCodecBehavior
from temporalio.envconfig import ClientConfig, ClientConnectConfig
from temporalio.service import RPCError, RPCStatusCode

from stockkeeper.client.encryption import data_converter
from stockkeeper.client.identity import SendsIdentity, Token
from stockkeeper.client.tracing import plugins
from stockkeeper.contracts.errors import Unreachable
from stockkeeper.contracts.messages import Message
from stockkeeper.contracts.policies import TASK_QUEUE

if TYPE_CHECKING:
    from stockkeeper.client.databases import Databases
    from stockkeeper.client.event_waiters import Waiters

R = TypeVar("R")

LOCAL_ADDRESS = "localhost:7233"

ANSWER_WITHIN = timedelta(seconds=30)
"""How long a call waits for its answer. A healthy worker needs some hundredths of a second."""

CONNECTED_WITHIN = timedelta(seconds=10)
"""How long a server may take to answer a new connection. A healthy one needs some hundredths of a second."""

_OUT_WITHIN = timedelta(seconds=2)
"""How long the end of the process waits for threads of the SDK that are inside the interpreter."""

_STATUS = re.compile(r'Status \{ code: (?P<code>\w+), message: "(?P<message>(?:[^"\\]|\\.)*)"')
_NOT_TRUSTED = re.compile(r"InvalidCertificate\((?P<reason>\w+)")
_REASONS = {
    "BadSignature": "another authority has signed it than the one that was given",
    "UnknownIssuer": "another authority has signed it than the one that was given",
    "NotValidForName": "it is for another name",
    "NotValidForNameContext": "it is for another name",
    "Expired": "its time is over",
    "ExpiredContext": "its time is over",
}
_OWN_REASONS = {
    "KeyMismatch": "its key belongs to another one",
    "PrivateKeyParseError": "its key isn't one in PEM",
    "NoCertificatesPresented": "it isn't one in PEM",
}
_OWN = re.compile("|".join(_OWN_REASONS))
_HUNG_UP = ("transport error", "operation was canceled")
_REFUSALS = {"UNAUTHENTICATED", "PERMISSIONDENIED"}


class Connection:
    """Temporal client, task queue and patience of a caller: the first argument of everything that asks or commands.

    Attributes:
        client: The Temporal client, with Stockkeeper's converter and a namespace.
        task_queue: The task queue that the workers listen on.
        answer_within: How long each call waits for its answer before it raises `Unreachable`.
        standalone_activities: Whether the server runs standalone activities; None until the first question.
        databases: The databases behind it, if there are several; None: one (`stockkeeper.client.databases`).
        waiters: Those who wait for events by it; None: nobody has yet (`stockkeeper.client.event_waiters`).
    """

    def __init__(
        self, client: Client, task_queue: str = TASK_QUEUE, *, answer_within: timedelta = ANSWER_WITHIN
    ) -> None:
        self.client = client
        self.task_queue = task_queue
        self.answer_within = answer_within
        self.standalone_activities: bool | None = None
        self.databases: Databases | None = None
        self.waiters: Waiters | None = None

    def at(self, queue: str) -> "Connection":
        """The same, to the one database whose workers listen on this task queue."""
        return Connection(self.client, queue, answer_within=self.answer_within)

    async def at_home(self, request: Message, begin: Callable[[str], Awaitable[R]]) -> R:
        """Begin a process on the task queue of the database that keeps the warehouses of its start."""
        return await (begin(self.task_queue) if self.databases is None else self.databases.begin(request, begin))

    async def queue_of(self, workflow_id: str) -> str:
        """The task queue of the database that has a workflow's document."""
        return self.task_queue if self.databases is None else await self.databases.queue_of(workflow_id)


def task_queue() -> str:
    """The task queue that the workers listen on: ``STOCKKEEPER_TASK_QUEUE``, or ``stockkeeper``."""
    return os.environ.get("STOCKKEEPER_TASK_QUEUE") or TASK_QUEUE


async def connect_temporal(
    address: str | None = None, namespace: str | None = None, *, identity: Token | None = None
) -> Client:
    """A Temporal client that reads and writes Stockkeeper's payloads.

    Args:
        address: ``host:port``; None: by the environment or a profile, or else ``localhost:7233``.
        namespace: The same for the namespace; in the end ``default``.
        identity: The token that its calls carry; None: none.

    Raises:
        Unreachable: No Temporal server answers at that address, it refuses the API key or the certificate, or it has no
            such namespace; the message says which, within `CONNECTED_WITHIN`.
    """
    return await connect_by(settings_of_connection(address, namespace), identity)


def settings_of_connection(address: str | None = None, namespace: str | None = None) -> ClientConnectConfig:
    """How to connect, with the content of the certificates' files; the arguments are those of `connect_temporal`.

    Raises:
        Unreachable: A file or a profile can't be read.
    """
    try:
        config = ClientConfig.load_client_connect_config()
    except (RuntimeError, OSError, ValueError) as error:
        told = " ".join(str(error).split())
        raise Unreachable(f"the settings of the connection to Temporal can't be read: {told}") from error
    config["target_host"] = address or config.get("target_host") or LOCAL_ADDRESS
    if namespace:
        config["namespace"] = namespace
    return config


async def connect_plainly(address: str, namespace: str, *, identity: Token | None = None) -> Client:
    """A client for a dev server on this machine: without the TLS or API key that the environment has for another.

    Raises:
        Unreachable: As with `connect_temporal`.
    """
    return await connect_by({"target_host": address, "namespace": namespace}, identity)


def status_within(error: BaseException) -> tuple[str, str] | None:
    """The name of the status, and the server's message, in an error that the SDK has made a sentence of; or None."""
    found = _STATUS.search(str(error))
    return (found["code"], found["message"]) if found else None


async def connect_by(config: ClientConnectConfig, identity: Token | None = None) -> Client:
    """Connect, and ask for the namespace: a server that refuses a key may let it connect all the same.

    Args:
        config: How to connect.
        identity: The token that its calls carry; None: none.

    Raises:
        Unreachable: As with `connect_temporal`.
    """
    address = config.get("target_host")
    nobody = f"no Temporal server answers at {address}"
    converter = data_converter()
    try:
        async with asyncio.timeout(CONNECTED_WITHIN.total_seconds()):
            client = await Client.connect(
                **config,
                data_converter=converter,
                # Headers go through the codec like all else; where there is none, this costs nothing.
                header_codec_behavior=HeaderCodecBehavior.CODEC,
                plugins=plugins(),
                interceptors=[SendsIdentity(identity)] if identity else [],
            )
            await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=client.namespace))
    except TimeoutError as error:
        raise Unreachable(f"{nobody} within {CONNECTED_WITHIN.seconds} seconds") from error
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            raise Unreachable(f"Temporal at {address} has no namespace {config.get('namespace')}") from error
        raise Unreachable(_why(address, error.status.name.replace("_", ""), error.message)) from error
    except (RuntimeError, ValueError) as error:
        if "InvalidContentType" in str(error):
            no_tls = f"what answers at {address} doesn't speak TLS, which TEMPORAL_API_KEY and TEMPORAL_TLS ask for"
            raise Unreachable(no_tls) from error
        status = status_within(error)
        why = _why(address, *status) if status else nobody
        raise Unreachable(_about_certificates(config, str(error)) or why) from error
    return client


def _about_certificates(config: ClientConnectConfig, told: str) -> str | None:
    """What is wrong with a certificate, by the words of the SDK's TLS; None: nothing, as far as they say."""
    address = config.get("target_host")
    if found := _NOT_TRUSTED.search(told):
        reason = _REASONS.get(found["reason"], f"it isn't accepted ({found['reason']})")
        return (
            f"the certificate of Temporal at {address} isn't to be trusted: {reason}; check "
            "TEMPORAL_TLS_SERVER_CA_CERT_PATH and TEMPORAL_TLS_SERVER_NAME"
        )
    if found := _OWN.search(told):
        return (
            f"the client certificate for Temporal at {address} can't be used: {_OWN_REASONS[found[0]]}; check "
            "TEMPORAL_TLS_CLIENT_CERT_PATH and TEMPORAL_TLS_CLIENT_KEY_PATH"
        )
    # By TLS 1.3 a server looks at a client's certificate when that has finished its part: it hears of it afterwards.
    if config.get("tls") and "after connection" in told and any(each in told for each in _HUNG_UP):
        return (
            f"Temporal at {address} has ended the connection once TLS was set up: most likely it wants another client "
            "certificate; check TEMPORAL_TLS_CLIENT_CERT_PATH"
        )
    return None


def _why(address: str | None, code: str, message: str) -> str:
    """What a status says, to whoever runs the process."""
    if code.upper() in _REFUSALS:
        return f"Temporal at {address} refuses: {message.removesuffix('.')}; check TEMPORAL_API_KEY, or the certificate"
    return f"no Temporal server answers at {address}: {message}"


def _leave_none_behind() -> None:
    """Let the SDK's threads come out of the interpreter before it ends.

    A thread of the SDK hands over each answer by a call into Python. The loop's thread may run on, to the end of the
    process, before that call has returned; the interpreter then ends the thread within it, and aborts
    (temporalio/sdk-python 300). A thread that is within a call has a frame, and is none of Python's own.
    """
    give_up_at = time.monotonic() + _OUT_WITHIN.total_seconds()
    while sys._current_frames().keys() - {each.ident for each in threading.enumerate()}:  # noqa: SLF001 - documented
        if time.monotonic() > give_up_at:
            return
        time.sleep(0.001)


# Once: a process ends once, however many connections it has had.
atexit.register(_leave_none_behind)
