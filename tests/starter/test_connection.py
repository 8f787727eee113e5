"""A connection that doesn't come about: one line that says why, within seconds, and the process ends as it wants to."""

import socket
import subprocess
import sys
from datetime import timedelta

import pytest

from devstack.processes import free_port
from devstack.stack import StackInfo
from stockkeeper import Stockkeeper, Unreachable
from stockkeeper.client import connection
from tests.support.refusing_temporal import Answer, refuses_all, refuses_all_but_the_greeting, refusing_temporal

IN_VAIN = """
import asyncio
import sys
import threading
import time
from asyncio.selector_events import BaseSelectorEventLoop as Loop
from stockkeeper import Stockkeeper, Unreachable

wake = Loop._write_to_self

def wake_and_stay(loop):
    if threading.get_ident() == threading.main_thread().ident:
        wake(loop)
    else:
        stays.append(threading.get_ident())
        wake(loop)
        for _ in range(100):
            time.sleep(0.001)

stays = []
Loop._write_to_self = wake_and_stay
try:
    asyncio.run(Stockkeeper.connect(sys.argv[1]))
except Unreachable as error:
    assert stays
    sys.exit(str(error))
"""
"""A service that can't connect, where the SDK's thread is slow to come out of the interpreter."""


async def _unreachable(address: str, namespace: str | None = None) -> str:
    with pytest.raises(Unreachable) as caught:
        await Stockkeeper.connect(address, namespace=namespace)
    return str(caught.value)


@pytest.mark.parametrize(
    ("answer", "told"),
    [(refuses_all, "invalid API key"), (refuses_all_but_the_greeting, "Request unauthorized")],
    ids=["at once", "after the greeting"],
)
async def test_a_wrong_key_is_told_from_an_absent_server(answer: Answer, told: str) -> None:
    with refusing_temporal(answer) as address:
        assert await _unreachable(address) == (
            f"Temporal at {address} refuses: {told}; check TEMPORAL_API_KEY, or the certificate"
        )


async def test_a_key_for_a_server_without_tls(stack: StackInfo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_API_KEY", "abc")
    assert await _unreachable(stack.temporal_address) == (
        f"what answers at {stack.temporal_address} doesn't speak TLS, which TEMPORAL_API_KEY and TEMPORAL_TLS ask for"
    )


async def test_a_namespace_that_there_is_not(stack: StackInfo) -> None:
    assert await _unreachable(stack.temporal_address, "warehouse") == (
        f"Temporal at {stack.temporal_address} has no namespace warehouse"
    )


async def test_a_profile_that_there_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_PROFILE", "production")
    assert await _unreachable("127.0.0.1:1") == (
        "the settings of the connection to Temporal can't be read: Profile 'production' not found"
    )


async def test_a_server_that_never_answers_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "CONNECTED_WITHIN", timedelta(seconds=1))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        assert await _unreachable(address) == f"no Temporal server answers at {address} within 1 seconds"


def test_a_process_that_connects_in_vain_ends_with_its_own_status_and_one_line() -> None:
    """temporalio/sdk-python 300: the interpreter is taken down under a thread of the SDK, and aborts."""
    address = f"127.0.0.1:{free_port()}"
    ended = subprocess.run(
        [sys.executable, "-c", IN_VAIN, address], capture_output=True, text=True, check=False, timeout=60
    )
    assert (ended.returncode, ended.stderr) == (1, f"no Temporal server answers at {address}\n")
