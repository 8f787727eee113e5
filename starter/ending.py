"""The end of a process that has talked to Temporal."""

import logging
import os
import sys
from collections.abc import Callable
from typing import NoReturn

from stockkeeper.client import tracing


def run_to_the_end(main: Callable[[], object]) -> NoReturn:
    """Run a program, and end its process with the program's status.

    When the program is done, everything is closed but the SDK's own threads, one of which may still be inside Python.
    Taking the interpreter down under it aborts the process, with a status that isn't ours (temporalio/sdk-python 300).

    Args:
        main: The program. It may raise `SystemExit`, whose text is printed as Python does; after any other exception,
            which is printed with its stack, the status is 1.
    """
    status: object = 0
    try:
        main()
    except SystemExit as end:
        status = end.code
    except BaseException as error:  # noqa: BLE001 - nobody is left to handle it
        sys.excepthook(type(error), error, error.__traceback__)
        status = 1
    if isinstance(status, str):
        sys.stderr.write(f"{status}\n")
    tracing.flush()
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status if isinstance(status, int) else int(status is not None))
