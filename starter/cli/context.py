"""The parts of every command: input, the connection, and an end with one clear line on failure."""

import asyncio
import json
import os
import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from rich.markup import escape
from temporalio.envconfig import ClientConfig

from starter.cli.output import err, for_programs, print_json
from stockkeeper.client import tracing
from stockkeeper.client.connection import connect_plainly
from stockkeeper.client.databases import connection_to, databases_by_environment
from stockkeeper.client.identity import Token, token_by
from stockkeeper.client.stockkeeper import Stockkeeper
from stockkeeper.contracts.errors import DomainError, StockkeeperError
from stockkeeper.contracts.settings import queues_of, require_known

T = TypeVar("T")

APPLICATION = frozenset({"activities", "database", "devstack", "worker", "workflows"})
"""Modules of the application, which no wheel contains."""
DATA_DIR = Path(".stockkeeper")
"""The data directory of `stockkeeper up`, unless another is given."""
STACK_FILE = "stack.json"
"""The file in the data directory with the stack's addresses, while it is up."""
UI_URL = "STOCKKEEPER_UI_URL"
"""The variable with the address of the Temporal UI, for links to runs."""


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's work; an error of Stockkeeper's ends the program with one line and exit status 1."""
    try:
        require_known(os.environ)
    except StockkeeperError as error:
        work.close()
        fail(error)
    tracing.set_up("stockkeeper")
    try:
        return asyncio.run(work)
    except StockkeeperError as error:
        fail(error)
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def read_input(read: Callable[[], T]) -> T:
    """Read arguments or files of a command; an error of Stockkeeper's ends the program like one of `run`."""
    try:
        return read()
    except StockkeeperError as error:
        fail(error)


def fail(error: StockkeeperError | str) -> NoReturn:
    """Print the error, for programs as JSON as well, and end with exit status 1."""
    if for_programs.get():
        print_json(as_json(error))
    explain(error)
    raise SystemExit(1)


def as_json(error: StockkeeperError | str, *, of: str = "") -> dict[str, Any]:
    """An error for programs: ``error`` (its stable name), ``message`` and ``details``; ``of`` beside several others."""
    refusal = {
        "error": "StockkeeperError" if isinstance(error, str) else type(error).__name__,
        "message": str(error),
        "details": error.details if isinstance(error, DomainError) else {},
    }
    return {"of": of} | refusal if of else refusal


def explain(error: StockkeeperError | str, *, of: str = "") -> None:
    """Print an error, in one line off a terminal; ``of`` names which of several documents it concerns."""
    which = f"{escape(of)}: " if of else ""
    code = "error" if isinstance(error, str) else getattr(error, "code", type(error).__name__)
    err.sentence(f"{which}[red]{code}:[/red] {escape(str(error))}")


async def connect(identity: Token | None = None) -> Stockkeeper:
    """Connect to the Temporal that the environment names, or else to the stack that is up in this directory.

    Args:
        identity: The token that calls carry, or what gives the present one; None: by the environment.

    Raises:
        Unreachable: No Temporal server answers at that address.
    """
    stack = _this_stack()
    if stack is None:
        return await Stockkeeper.connect(identity=identity)
    client = await connect_plainly(stack["temporal_address"], stack["namespace"], identity=identity or token_by())
    queue = os.environ.get("STOCKKEEPER_TASK_QUEUE") or stack["task_queue"]
    return Stockkeeper(connection_to(client, queue, databases()))


def databases() -> Sequence[str]:
    """The task queues of several databases: by the environment, or else of this directory's stack; empty: one.

    Raises:
        StockkeeperError: The setting names only one, or one twice.
    """
    named = databases_by_environment()
    return named or queues_of((_this_stack() or {}).get("databases", ""))


def ui_url() -> str | None:
    """Address of the Temporal UI: by the environment, or the connected stack's; None: unknown."""
    return (os.environ.get(UI_URL) or (_this_stack() or {}).get("ui_url") or "").rstrip("/") or None


def namespace() -> str:
    """The namespace that the environment names, or else the connected stack's."""
    named = (_this_stack() or {}).get("namespace") or ClientConfig.load_client_connect_config().get("namespace")
    return named or "default"


def _this_stack() -> dict[str, str] | None:
    """This directory's stack, unless the environment names another Temporal."""
    return None if ClientConfig.load_client_connect_config().get("target_host") else running_here()


def running_here(data_dir: Path = DATA_DIR) -> dict[str, str] | None:
    """Addresses of this directory's stack, or of the one that keeps its data elsewhere; None if none is up."""
    try:
        stack = json.loads((data_dir / STACK_FILE).read_text())
    except (OSError, ValueError):
        return None
    return stack if isinstance(stack, dict) else None


def extra_missing(extra: str, error: ImportError) -> NoReturn:
    """End, because a command needs more than was installed: an extra, or the application itself."""
    if (error.name or "").partition(".")[0] in APPLICATION:
        needed = "runs from a checkout or the image, which have the application; `pip install` brings the library alone"
        sys.stderr.write(f"this command {needed}\n")
    else:
        sys.stderr.write(f"this command needs `pip install 'stockkeeper[{extra}]'` ({error.name} is missing)\n")
    raise SystemExit(1)
