"""Links to workflow runs in the Temporal UI."""

from urllib.parse import quote

from rich.markup import escape


def run_url(ui_url: str | None, namespace: str, workflow_id: str, run_id: str) -> str | None:
    """A run's address in the Temporal UI; None: the UI's address is unknown, or no run is behind it."""
    if not (ui_url and workflow_id and run_id):
        return None
    place = "/".join(quote(part, safe="") for part in ("namespaces", namespace, "workflows", workflow_id, run_id))
    return f"{ui_url}/{place}"


def linked(text: str, url: str | None) -> str:
    """A text with a link, in terminals that have links; elsewhere the text alone."""
    return f"[link={url}]{escape(text)}[/link]" if url else escape(text)
