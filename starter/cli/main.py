"""`stockkeeper`: one command for everything that a person needs."""

import io
import os
import sys


def main() -> None:
    """Run the command line. Without its extra it says what to install."""
    try:
        from starter.cli.app import app  # noqa: PLC0415 - Typer and Rich are an extra
    except ImportError as error:
        sys.stderr.write(f"the command line needs: pip install 'stockkeeper[cli]' ({error.name} is missing)\n")
        raise SystemExit(1) from None
    for stream in (sys.stdout, sys.stderr):
        # A terminal whose encoding lacks a letter shows another one, and the command isn't lost by it.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    status: object = 0
    try:
        app()
    except SystemExit as end:
        status = end.code
    # Everything is closed by now but the SDK's own threads, one of which may still be inside Python; taking the
    # interpreter down under it aborts the process, with a status that isn't ours.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status if isinstance(status, int) else int(status is not None))
