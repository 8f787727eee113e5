"""A program that owns a stack until it is killed: `python owner.py DATA_DIR` prints where everything is, as JSON."""

import asyncio
import json
import sys
from dataclasses import asdict
from pathlib import Path

from devstack.stack import running_stack


async def own(data_dir: Path) -> None:
    """Brings a stack up and keeps it."""
    async with running_stack(data_dir, environ={}) as info:
        sys.stdout.write(json.dumps(asdict(info)) + "\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(own(Path(sys.argv[1])))
