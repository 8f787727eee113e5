"""The tests: on a real PostgreSQL and a real Temporal that they bring up themselves."""

import pytest

# Their assertions then show what they compared, as those of the test files do.
pytest.register_assert_rewrite("tests.support")
