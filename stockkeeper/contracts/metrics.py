"""Metrics that workflows count for themselves: their names are known where they are counted and where they begin."""

COMMANDS_REFUSED = "stockkeeper_commands_refused_total"
COMMANDS_REFUSED_MEANING = "Starts and commands that were refused, by their error"
NOTICES = "stockkeeper_notices_total"
NOTICES_MEANING = "Notices by what has become of them"
REORDER_DRAFTS = "stockkeeper_reorder_drafts_total"
REORDER_DRAFTS_MEANING = "Purchase orders that reorder runs have drafted"

START = "start"
"""In place of a command's name: a start was refused."""
UNKNOWN = "unknown"
"""... a signal or an update of another name, which may be anything."""
