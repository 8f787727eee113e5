"""A person's settings that are wrong, in one line, without their values: one may be a password."""

from pydantic import ValidationError
from pydantic_settings import SettingsError


def in_a_line(error: ValidationError | SettingsError) -> str:
    """What is wrong with which variable."""
    if isinstance(error, SettingsError):
        return str(error)
    return "; ".join(
        f"STOCKKEEPER_{str(problem['loc'][0]).upper()}: {problem['msg']}"
        for problem in error.errors(include_input=False, include_context=False, include_url=False)
    )
