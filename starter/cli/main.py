"""`stockkeeper`: one command for everything that a person needs."""

import io
import sys

from starter.ending import run_to_the_end


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
    run_to_the_end(app)
