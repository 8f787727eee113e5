"""Texts of people in the Markdown of the Temporal UI, which reads summaries and details of runs as such."""

import re

_MARKDOWN = re.compile(r"[\\`*\[~]|(?<!\w)_|_(?!\w)|<(?=[A-Za-z/!?])|&(?=#?\w+;)")
"""What Markdown would take for something else than the letters that they are. The UI leaves HTML and pictures out."""


def plain(text: object) -> str:
    """What a person has typed or a program has answered, in Markdown, so that it is read as it is and in one line."""
    return _MARKDOWN.sub(r"\\\g<0>", " ".join(str(text).splitlines()))
