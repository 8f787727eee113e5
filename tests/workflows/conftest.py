"""What every file here begins with."""

import shutil
import sysconfig
from collections.abc import AsyncIterator

import pytest
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.testing import WorkflowEnvironment

from database.sessions import Database
from stockkeeper.contracts import search_attributes
from stockkeeper.contracts.converter import DATA_CONVERTER
from worker import Settings, working


@pytest.fixture
async def skipping(database: Database, settings: Settings) -> AsyncIterator[WorkflowEnvironment]:
    """A time-skipping server with a worker of its own; its activities are on the same PostgreSQL as all."""
    program = shutil.which("temporal-test-server", path=sysconfig.get_path("scripts"))
    assert program is not None
    async with await WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=program, data_converter=DATA_CONVERTER
    ) as environment:
        with_attributes = AddSearchAttributesRequest(namespace="default", search_attributes=search_attributes.TYPES)
        await environment.client.operator_service.add_search_attributes(with_attributes)
        async with working(environment.client, database, settings):
            yield environment
