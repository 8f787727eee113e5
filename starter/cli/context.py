"""What every command needs: a connection, somebody who does it, and an end with one clear line."""

import asyncio
import getpass
import json
import os
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from rich.markup import escape
from temporalio.envconfig import ClientConfig

from starter.cli.output import err
from stockkeeper.client.connection import connect_plainly
from stockkeeper.client.stockkeeper import Stockkeeper
from stockkeeper.contracts.errors import StockkeeperError

T = TypeVar("T")

DATA_DIR = Path(".stockkeeper")
"""Where `stockkeeper up` keeps its data, unless told otherwise."""
STACK_FILE = "stack.json"
"""In the data directory while the stack is up: where everything is."""
UI_URL = "STOCKKEEPER_UI_URL"
"""The variable that says where the Temporal UI is, for links to runs."""

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
PerformedBy = Annotated[
    str, typer.Option("--performed-by", help="Who does it.", default_factory=getpass.getuser, show_default="you")
]
Approver = Annotated[
    str, typer.Option("--approver", help="Who decides.", default_factory=getpass.getuser, show_default="you")
]


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's work; an error of ours ends the program with one line and exit status 1."""
    try:
        return asyncio.run(work)
    except StockkeeperError as error:
        fail(error)
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def fail(error: StockkeeperError | str) -> NoReturn:
    """Say what is wrong, and end."""
    explain(error)
    raise SystemExit(1)


def explain(error: StockkeeperError | str, *, of: str = "") -> None:
    """Say in one line what is wrong, and of several things with which."""
    which = f"{escape(of)}: " if of else ""
    if isinstance(error, str):
        err.print(f"{which}[red]error:[/red] {escape(error)}", soft_wrap=True)
    else:
        code = getattr(error, "code", type(error).__name__)
        err.print(f"{which}[red]{code}:[/red] {escape(str(error))}", soft_wrap=True)


async def connect() -> Stockkeeper:
    """Connect to what the environment names, or else to the stack that is up in this directory.

    Raises:
        Unreachable: Nobody answers there.
    """
    stack = _asked_for()
    if stack is None:
        return await Stockkeeper.connect()
    client = await connect_plainly(stack["temporal_address"], stack["namespace"])
    return Stockkeeper(client, task_queue=os.environ.get("STOCKKEEPER_TASK_QUEUE") or stack["task_queue"])


def ui_url() -> str | None:
    """Where the Temporal UI is: where the environment says, or that of the stack that is asked; None: nobody knows."""
    return (os.environ.get(UI_URL) or (_asked_for() or {}).get("ui_url") or "").rstrip("/") or None


def _asked_for() -> dict[str, str] | None:
    """This directory's stack, unless the environment names another Temporal."""
    return None if ClientConfig.load_client_connect_config().get("target_host") else running_here()


def running_here() -> dict[str, str] | None:
    """Where everything of this directory's stack is; None if none is up."""
    try:
        stack = json.loads((DATA_DIR / STACK_FILE).read_text())
    except (OSError, ValueError):
        return None
    return stack if isinstance(stack, dict) else None


def extra_missing(extra: str, error: ImportError) -> NoReturn:
    """A command needs more than was installed."""
    sys.stderr.write(f"this command needs `pip install 'stockkeeper[{extra}]'` ({error.name} is missing)\n")
    raise SystemExit(1)
