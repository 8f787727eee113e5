"""Links from what is shown to the workflow run behind it, in the Temporal UI."""

from urllib.parse import quote

from rich.markup import escape


def run_url(ui_url: str | None, namespace: str, workflow_id: str, run_id: str) -> str | None:
    """Where the Temporal UI shows a run; None: nobody knows where the UI is, or no run did it."""
    if not (ui_url and workflow_id and run_id):
        return None
    place = "/".join(quote(part, safe="") for part in ("namespaces", namespace, "workflows", workflow_id, run_id))
    return f"{ui_url}/{place}"


def linked(text: str, url: str | None) -> str:
    """A text that leads there, in terminals that can; elsewhere it is only the text."""
    return f"[link={url}]{escape(text)}[/link]" if url else escape(text)
