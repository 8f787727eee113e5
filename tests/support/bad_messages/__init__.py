"""What is wrong for the messages of all processes, and what of it is sent to real ones."""

from tests.support.bad_messages import (
    adjustment,
    customer_return,
    cycle_count,
    inspection,
    purchase_order,
    reservation,
    runs,
    transfer,
)
from tests.support.bad_messages.matrix import Matrix, Sent, dealt

STARTS: dict[str, Matrix] = {
    "transfer": transfer.START,
    "purchase_order": purchase_order.START,
    "reservation": reservation.START,
    "cycle_count": cycle_count.START,
    "customer_return": customer_return.START,
    "adjustment": adjustment.START,
    "inspection": inspection.START,
    **runs.STARTS,
}
"""The start of each process, by the kind of process."""
COMMANDS: dict[tuple[str, str], Matrix] = {
    (kind, name): matrix
    for kind, commands in {
        "transfer": transfer.COMMANDS,
        "purchase_order": purchase_order.COMMANDS,
        "reservation": reservation.COMMANDS,
        "cycle_count": cycle_count.COMMANDS,
        "customer_return": customer_return.COMMANDS,
        "adjustment": adjustment.COMMANDS,
        "inspection": inspection.COMMANDS,
    }.items()
    for name, matrix in commands.items()
}
"""The commands, by the kind of process and their names."""

SENT_STARTS = dealt(STARTS)
"""What is sent to start a real process."""
SENT_COMMANDS = dealt(COMMANDS)
"""What is sent to a real process that is there."""


def names_of_commands(kind: str) -> list[str]:
    """The commands of a kind of process."""
    return [name for each, name in COMMANDS if each == kind]


__all__ = ["COMMANDS", "SENT_COMMANDS", "SENT_STARTS", "STARTS", "Matrix", "Sent", "names_of_commands"]
