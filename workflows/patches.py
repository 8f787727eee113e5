"""Changes of workflows that leave the runs from before as they are: what `workflow.patched` is asked for, in one list.

A change is deployed in two versions, so that the first one can take over runs from the second: a rollback, or a worker
of each beside the other. The first version understands the change and begins it in no run (`UNDERSTOOD`); the next one
begins it. docs/operations.md, *Changing a workflow*, has the steps.
"""

ASKED = "asked"
"""Whether an update was carried out by a task that was lost, the database is asked before it is refused."""
AUDIT = "audit-"
"""Audits look at the documents of a kind that came later, whose name is behind it (`ProcessSpec.audited_since`)."""
CAUGHT_UP = "caught-up"
"""The repeat of a start is answered after the commands before it."""
INSPECTED = "inspected"
"""The run of an inspection is started that a step has opened; with its number behind it, one for each."""
NAMED_ANSWERS = "named-answers"
"""A run that has answered a start under a fixed update id goes on in another run."""
REFUSED = "refused"
"""A run whose start is refused says so in its `StockStatus`. It is asked for in the last task of such a run only, so no
run that is open has it, and it needs no version that only understands it."""
SUPPLIER_WITHOUT_ADDRESS = "tell procurement of a supplier without an address"
WITHOUT_IDENTITY = "without identity"
"""A start or a signal came without an identity to a worker that requires one; with its name behind it, one for each. It
is no change of the code but of the settings (`begins`)."""
WITHDRAWN = "withdrawn"
"""An order that is cancelled before anything else is done is held at no moment."""

UNDERSTOOD: frozenset[str] = frozenset()
"""The changes that runs of the next version may have, and that this one begins in none of its own."""


def begins(patch: str, *, identity_required: bool = False) -> bool:
    """Whether a run that comes to a change for the first time begins it."""
    if patch.startswith(WITHOUT_IDENTITY):
        return identity_required
    return patch not in UNDERSTOOD
