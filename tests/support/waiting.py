"""A pytest plugin that ends a process in which a test waits for ever, and says what it waits for.

A dump of the threads shows an event loop that waits, and nothing of the coroutines in it. Here each task of the loop
is followed down to what it awaits. The session prints that at its end, whatever came in between.

A process that is told to terminate, as everything is when the time of a whole run is up, says the same.
"""

import asyncio
import os
import re
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

FILE = "WAITING_TESTS_FILE"
"""The variable that tells the session's processes in which file to leave what they found."""

_ERRORS = pytest.StashKey[int]()
_INI = "longest_test_seconds"
_SHOWN = 12
"""Tasks and threads of a test."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the project's settings say how long a test may take."""
    parser.addini(_INI, "a test that takes longer ends its process", default="600")


def pytest_configure(config: pytest.Config) -> None:
    """Choose the file, in the process that the others are started by."""
    if not hasattr(config, "workerinput"):
        handle, os.environ[FILE] = tempfile.mkstemp(prefix="tests-waiting-")
        os.close(handle)
    # Before pytest takes what tests write there.
    config.stash[_ERRORS] = os.dup(2)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Watch a test, with what is set up for it and torn down after it."""
    began, process = time.monotonic(), os.getpid()

    def end(reason: str) -> None:
        if os.getpid() != process:
            os._exit(128 + signal.SIGTERM)  # A copy of this process, made by the test.
        text = f"{item.nodeid} {reason} after {time.monotonic() - began:.0f} s, while it waited here:\n"
        text += "".join(f"  {each}\n" for each in _places(f"{item.config.rootpath}{os.sep}"))
        with Path(os.environ[FILE]).open("a", encoding="utf-8") as file:
            file.write(text)
        os.write(item.config.stash[_ERRORS], f"\n{text}".encode())
        os._exit(1)

    timer = threading.Timer(float(item.config.getini(_INI)), end, ["was ended"])
    timer.daemon = True
    timer.start()
    before = signal.signal(signal.SIGTERM, lambda *_: end("was terminated"))
    try:
        return (yield)
    finally:
        signal.signal(signal.SIGTERM, before)
        timer.cancel()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was found, where no output of other tests follows."""
    if hasattr(terminalreporter.config, "workerinput"):
        return  # One of the session's processes, whose output nobody sees; the others go on.
    file = Path(os.environ[FILE])
    if found := file.read_text(encoding="utf-8"):
        terminalreporter.section("waited for ever", sep="!")
        terminalreporter.write(found)
    file.unlink()


def _places(root: str) -> list[str]:
    """Where the tasks of the event loop and the threads are, those first in which a function of a test is."""
    frames = sys._current_frames()
    main = threading.main_thread().ident
    stacks = {ident: _outermost_first(frame) for ident, frame in frames.items()}
    # A loop of uvloop's has no frames; what runs it has one.
    runners = [each.f_locals.get("self") for each in stacks.get(main or 0, []) if each.f_code.co_name == "run"]
    loops = [each.get_loop() for each in runners if isinstance(each, asyncio.Runner)]
    waiting = [(each.get_name(), _awaited(each.get_coro())) for loop in loops for each in asyncio.all_tasks(loop)]
    waiting += [("main thread" if ident == main else "thread", stack) for ident, stack in stacks.items()]
    found = {f"{name}: {place}" for name, stack in waiting if (place := _place(root, stack))}
    return sorted(found, key=lambda each: (re.search(r":\d+ test_", each) is None, each))[:_SHOWN]


def _outermost_first(frame: FrameType | None) -> list[FrameType]:
    stack = []
    while frame is not None:
        if frame.f_code.co_filename != __file__:
            stack.append(frame)
        frame = frame.f_back
    return stack[::-1]


def _awaited(awaited: Any) -> list[FrameType]:
    """The frames of a coroutine, and of those that it waits for in turn."""
    stack = []
    while (frame := getattr(awaited, "cr_frame", None) or getattr(awaited, "ag_frame", None)) is not None:
        stack.append(frame)
        awaited = getattr(awaited, "cr_await", None) or getattr(awaited, "ag_await", None)
    return stack


def _place(root: str, stack: list[FrameType]) -> str:
    """The project's own functions of a stack, and what the innermost of them is in; empty if there are none."""
    own = [each for each in stack if _is_own(root, each)]
    if not own:
        return ""
    shown = own[-4:] if own[-1] is stack[-1] else [*own[-4:], stack[-1]]
    return " > ".join(f"{_name(root, each)}:{each.f_lineno} {each.f_code.co_name}" for each in shown)


def _is_own(root: str, frame: FrameType) -> bool:
    file = frame.f_code.co_filename
    return file.startswith(root) and "site-packages" not in file


def _name(root: str, frame: FrameType) -> str:
    return frame.f_code.co_filename.removeprefix(root) if _is_own(root, frame) else Path(frame.f_code.co_filename).name
