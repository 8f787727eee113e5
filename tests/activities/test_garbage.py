"""What a process has loaded isn't looked at again by the collector of garbage."""

import gc

from activities.garbage import NEW_OBJECTS, keep_what_is_loaded


def test_what_is_loaded_is_taken_out_of_later_collections_and_what_comes_then_is_not() -> None:
    before = gc.get_threshold()
    loaded: list[object] = [object()]
    keep_what_is_loaded()
    try:
        later: list[object] = [loaded]
        looked_at = {id(each) for each in gc.get_objects()}
        assert id(loaded) not in looked_at
        assert id(later) in looked_at
        assert gc.get_freeze_count() > 100_000
        assert gc.get_threshold() == (NEW_OBJECTS, *before[1:])
    finally:
        # Other tests' garbage is to be collected.
        gc.unfreeze()
        gc.set_threshold(*before)
