"""The rules of labels, for packages that only import the contract: see `stockkeeper.domain.label`."""

from stockkeeper.domain.label import (
    SINGLE,
    ZPL_ESCAPE,
    Element,
    Label,
    PackCode,
    code_for,
    element_string,
    elements_of,
    modules_across,
    of_known_lot,
    plain_code,
    readable,
    zpl_code,
    zpl_field,
)

__all__ = [
    "SINGLE",
    "ZPL_ESCAPE",
    "Element",
    "Label",
    "PackCode",
    "code_for",
    "element_string",
    "elements_of",
    "modules_across",
    "of_known_lot",
    "plain_code",
    "readable",
    "zpl_code",
    "zpl_field",
]
