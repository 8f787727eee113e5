"""A command that is wrong: refused or noted, nothing stored, and the transfer goes on."""

import pytest
from sqlalchemy import Engine
from temporalio.client import WorkflowUpdateFailedError

from tests.support.bad import Spoil, any_message, bad_lines, bad_text, line_without, with_line, without
from tests.support.books import nothing_is_stored
from tests.support.shop import Shop, new_reference
from tests.support.transfer import Transfers, arrival, arrived, journey
from tests.support.wire import Json, Refusal, answer, at_once, refusal

ENDING: dict[str, Spoil] = {
    **any_message(),
    **bad_text("reason", at_most=500),
    "reason missing": without("reason"),
}
BAD: dict[str, dict[str, Spoil]] = {
    "dispatch": {
        **any_message(),
        # All of it leaves, and it leaves now.
        "lines": lambda message: [message | {"lines": None}],
        "a reason": lambda message: [message | {"reason": "on time"}],
    },
    "receive": {
        **any_message(),
        **bad_lines("product_id", "quantity"),
        **{
            name: spoil
            for name, spoil in bad_lines("damaged_quantity", units="damaged_quantity").items()
            # None of it damaged is what most receipts say.
            if name not in {"damaged_quantity zero", "damaged_quantity missing"}
        },
        **bad_text("receipt_id"),
        "receipt_id missing": without("receipt_id"),
        "nothing came": with_line(quantity=0, damaged_quantity=0),
        "product_id missing": line_without("product_id"),
        "product_id null": with_line(product_id=None),
        "more than is in transit": with_line(quantity=11),
        "more than is in transit with what is damaged": with_line(quantity=1, damaged_quantity=10),
        "a product that isn't on the transfer": with_line(product_id=2**62),
        "a line of a purchase order's receipt": with_line(rejected_quantity=1),
        "a line of a state": with_line(received=1),
    },
    "write_off": ENDING,
    "cancel": ENDING,
}
AT_ONCE = 4


@pytest.mark.parametrize("command", BAD)
async def test_an_invalid_command_changes_nothing(
    transfers: Transfers, shop: Shop, engine: Engine, command: str
) -> None:
    item, to = shop.item(40), shop.warehouse()
    right: dict[str, dict[str, Json]] = {
        "dispatch": {"performed_by": "sid"},
        "receive": arrival("truck-1", arrived(item, 1, 0)),
        "write_off": {"performed_by": "dora", "reason": "lost on the way"},
        "cancel": {"performed_by": "tom", "reason": "not needed"},
    }
    begin = transfers.create if command in {"dispatch", "cancel"} else transfers.dispatched
    numbers = [new_reference("load") for _ in range(AT_ONCE)]
    begun = await at_once(*(begin(number, to, [(item, 10)]) for number in numbers))

    async def are_refused(place: int) -> dict[str, str]:
        """Every fourth of them, all to the same transfer, each as an update and as a signal."""
        payloads = {name: BAD[command][name](right[command]) for name in list(BAD[command])[place::AT_ONCE]}
        refusals: dict[str, Refusal] = {}
        for name, payload in payloads.items():
            try:
                refusals[name] = await refusal(transfers.update(numbers[place], command, *payload))
            except Exception as error:
                error.add_note(name)
                raise
            await transfers.signal(numbers[place], command, *payload)
        notes = await transfers.noted(numbers[place], len(payloads))
        for note, (name, refused) in zip(notes, refusals.items(), strict=True):
            assert len(refused.message) < 2_000, name
            assert note.startswith(f"signal {command} refused: {refused.type}: {refused.message[:300]}"), name
            assert len(note) <= 500 - 25, name
        assert await transfers.state(numbers[place]) | {"notes": []} == begun[place]
        return {name: refused.type for name, refused in refusals.items()}

    with nothing_is_stored(engine):
        outcomes = await at_once(*(are_refused(place) for place in range(AT_ONCE)))
    assert {name: each for part in outcomes for name, each in part.items()} == dict.fromkeys(
        BAD[command], "InvalidRequest"
    )
    done = await transfers.update(numbers[0], command, right[command])
    assert (
        done["status"]
        == {"dispatch": "IN_TRANSIT", "receive": "IN_TRANSIT", "write_off": "RECEIVED", "cancel": "CANCELLED"}[command]
    )


async def test_an_update_or_signal_that_is_no_command_changes_nothing(
    transfers: Transfers, shop: Shop, engine: Engine
) -> None:
    number, _, _ = await journey(transfers, shop)
    before = await transfers.state(number)
    names = ("fulfill", "close_short", "reject", "complete", "run", "state", "receive_signal", "__init__")
    with nothing_is_stored(engine):
        for name in names:
            with pytest.raises(WorkflowUpdateFailedError):
                await transfers.update(number, name, {"performed_by": "ann"})
        assert await transfers.state(number) == before
        for name in names:
            await transfers.signal(number, name, {"performed_by": "ann"})
        assert await transfers.noted(number, len(names)) == [
            f"signal {name!r} isn't one of its commands" for name in names
        ]
        assert await transfers.state(number) | {"notes": []} == before


@pytest.mark.parametrize(
    "payload", [[None], [{}], [{"a": 1}], ["x" * 1_000_000], [1, 2, 3]], ids=["null", "{}", "{a}", "1 MB", "3"]
)
async def test_asking_for_the_answer_takes_whatever_comes_with_it(
    transfers: Transfers, shop: Shop, engine: Engine, payload: list[Json]
) -> None:
    number, _, _ = await journey(transfers, shop)
    before = await transfers.state(number)
    with nothing_is_stored(engine):
        assert await transfers.update(number, "held", *payload) == before
        assert await answer(transfers.handle(number).query("state", args=payload[:1])) == before
