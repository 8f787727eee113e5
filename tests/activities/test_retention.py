"""What a namespace says of how long it keeps runs."""

from datetime import timedelta

import pytest
from temporalio.api.workflowservice.v1 import DescribeNamespaceResponse

from activities.runs import retention_of


@pytest.mark.parametrize(
    ("keeps", "seconds"),
    [(timedelta(days=3), 259_200.0), (timedelta(seconds=1), 1.0), (timedelta(0), None), (None, None)],
)
def test_no_time_at_all_is_unknown(keeps: timedelta | None, seconds: float | None) -> None:
    described = DescribeNamespaceResponse()
    if keeps is not None:
        described.config.workflow_execution_retention_ttl.FromTimedelta(keeps)
    assert retention_of(described).seconds == seconds
