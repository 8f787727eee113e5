"""A pytest plugin that looks for no garbage while modules are imported and tests are collected.

All of that lives to the end; looking for garbage in it takes a sixth of the time of collecting the tests.
"""

import gc

import pytest

# Before the first conftest, which imports most of it.
gc.disable()


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop() -> None:
    """Look for garbage again, in each process of the session."""
    gc.enable()
