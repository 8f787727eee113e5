"""A test that waits for ever ends the session as failed, which says at its end what the test waits for."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

_WAITS = """
import asyncio, pathlib

async def _answer(ready):
    pathlib.Path(__file__).with_name("begun").touch()
    await ready.wait()

async def test_that_waits():
    await asyncio.create_task(_answer(asyncio.Event()), name="answer")
"""
_LOOP = """
import pytest, uvloop

@pytest.fixture(scope="session")
def _asyncio_loop_factory():
    return uvloop.new_event_loop
"""
_PLACES = r"""
  Task-1: test_it\.py:9 test_that_waits
  answer: test_it\.py:6 _answer > locks\.py:\d+ wait
"""


def _session(folder: Path, *, longest_test_seconds: int) -> "subprocess.Popen[str]":
    (folder / "test_it.py").write_text(_WAITS)
    (folder / "conftest.py").write_text(_LOOP)
    settings = folder / "pytest.ini"
    settings.write_text(f"[pytest]\nasyncio_mode = auto\nlongest_test_seconds = {longest_test_seconds}\n")
    options = ["-p", "no:cacheprovider", "-p", "tests.support.waiting", "-n", "1", "--max-worker-restart", "0"]
    return subprocess.Popen(
        [sys.executable, "-m", "pytest", *options, "-c", settings, f"--rootdir={folder}", folder],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # What this session was told isn't for that one: a folder of its own for temporary files would be taken away.
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
        start_new_session=True,
    )


def test_the_session_fails_and_says_what_the_test_waits_for(tmp_path: Path) -> None:
    session = _session(tmp_path, longest_test_seconds=1)
    printed, _ = session.communicate()
    assert session.returncode == 1
    assert "worker 'gw0' crashed while running 'test_it.py::test_that_waits'" in printed
    said = re.search(rf"test_that_waits was ended after \d s, while it waited here:{_PLACES}", printed)
    assert said is not None
    assert said.start() > printed.index("waited for ever")


def test_a_process_that_is_terminated_says_the_same(tmp_path: Path) -> None:
    session = _session(tmp_path, longest_test_seconds=600)
    while not (tmp_path / "begun").exists():
        assert session.poll() is None
        time.sleep(0.05)
    os.killpg(session.pid, signal.SIGTERM)
    _, errors = session.communicate()
    assert session.returncode == -signal.SIGTERM
    assert re.search(rf"test_that_waits was terminated after \d+ s, while it waited here:{_PLACES}", errors)
