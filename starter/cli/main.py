"""`stockkeeper`: one command for everything that a person needs."""

import sys


def main() -> None:
    """Run the command line. Without its extra it says what to install."""
    try:
        from starter.cli.app import app  # noqa: PLC0415 - Typer and Rich are an extra
    except ImportError as error:
        sys.stderr.write(f"the command line needs: pip install 'stockkeeper[cli]' ({error.name} is missing)\n")
        raise SystemExit(1) from None
    app()
