"""The names that traces have in common, whichever part makes a span."""

SCOPE = "stockkeeper"
"""The instrumentation scope of spans of calls, runs and steps; that of statements is `database.spans`."""

WORKFLOW_ID = "temporalWorkflowID"
RUN_ID = "temporalRunID"
ACTIVITY_ID = "temporalActivityID"
"""As Temporal's own spans have them, in every language."""

ERROR_TYPE = "error.type"
"""OpenTelemetry's attribute for the kind of an error; of a refusal, its name in the contract."""

OPERATION_ID = "stockkeeper.operation_id"
"""The operation of a step."""
ATTEMPT = "stockkeeper.attempt"
"""Which attempt at a step it was, from 1."""
