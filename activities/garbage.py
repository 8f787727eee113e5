"""Python's collector of garbage, in a process whose callers wait for its answers.

A full collection stops every thread while it looks at all objects there are, some 200,000 of loaded code alone: a tenth
of a second without other load, and every order that is under way waits for it (ADR 0089).
"""

import gc

NEW_OBJECTS = 10_000
"""New objects after which the collector looks at them. By default they are 700, and what seventy thousand of them have
left makes it look at everything: a document of a thousand lines is enough for that."""


def keep_what_is_loaded() -> None:
    """Take all objects there are by now out of later collections, which come less often from now on.

    Call it once, when a process has loaded what it needs and before it begins to work.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS, *gc.get_threshold()[1:])
