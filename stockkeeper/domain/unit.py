"""Units: a product's quantities are whole numbers of its base unit, and packs are exact multiples of that.

A quantity as a person writes it has a number and maybe a unit: ``120``, ``5 cases``, ``1.25kg``, or a sum such as
``2 pallets + 3 cases + 5``. It is read exactly or not at all. Nothing here is a float: a kilogram is a thousand grams,
and a part of a gram is refused.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import NamedTuple

from stockkeeper.domain.barcode import require_unit
from stockkeeper.domain.errors import InvalidRequest

_NAMES_SHOWN = 10
_THOUSANDS = 3
"""Digits behind a mark that may separate thousands."""

_TERM = re.compile(
    r"(?P<number>[0-9]{1,18}(?:\.[0-9]{1,18})?)(?:\s*(?P<unit>[^\W\d_][^+()]*?)(?:\s+of\s+(?P<factor>[0-9]{1,18}))?)?"
)
_SHOWN = re.compile(r"(?P<units>[^()]+?)\s*\((?P<packs>[^()]+)\)")


class BaseUnit(StrEnum):
    """What a product is counted in. Every quantity that is stored is a whole number of it."""

    EACH = "EACH"
    GRAM = "GRAM"
    MILLILITRE = "MILLILITRE"
    MILLIMETRE = "MILLIMETRE"

    @property
    def symbol(self) -> str:
        """How it is written behind a number; of pieces nothing."""
        return _SYMBOLS[self]

    def shown(self, units: int) -> str:
        """A number of base units: ``120``, ``1250 g``."""
        return f"{units} {self.symbol}".rstrip()


_SYMBOLS = {BaseUnit.EACH: "", BaseUnit.GRAM: "g", BaseUnit.MILLILITRE: "ml", BaseUnit.MILLIMETRE: "mm"}

_SPELLINGS: Mapping[BaseUnit, Mapping[Fraction, str]] = {
    BaseUnit.EACH: {Fraction(1): "each ea piece pieces pc pcs unit units"},
    BaseUnit.GRAM: {
        Fraction(1, 1000): "mg milligram milligrams",
        Fraction(1): "g gram grams gramme grammes",
        Fraction(1000): "kg kilo kilos kilogram kilograms kilogramme kilogrammes",
        Fraction(1_000_000): "t tonne tonnes",
    },
    BaseUnit.MILLILITRE: {
        Fraction(1): "ml millilitre millilitres milliliter milliliters",
        Fraction(10): "cl centilitre centilitres centiliter centiliters",
        Fraction(100): "dl decilitre decilitres deciliter deciliters",
        Fraction(1000): "l litre litres liter liters",
    },
    BaseUnit.MILLIMETRE: {
        Fraction(1): "mm millimetre millimetres millimeter millimeters",
        Fraction(10): "cm centimetre centimetres centimeter centimeters",
        Fraction(1000): "m metre metres meter meters",
    },
}

MEASURES: Mapping[str, tuple[BaseUnit, Fraction]] = {
    name: (base, factor)
    for base, factors in _SPELLINGS.items()
    for factor, names in factors.items()
    for name in names.split()
}
"""The units that are built in, by name: the base unit that each belongs to, and how many of it one is."""


class Pack(NamedTuple):
    """A named number of base units: a case of 24."""

    name: str
    quantity: int


class KnownPack(NamedTuple):
    """A pack as the catalogue has it.

    Attributes:
        name: Its name, in small letters.
        quantity: Base units in one.
        supplier_id: The supplier whose pack it is; None: the house's own.
        is_by_barcode: Whether only a barcode of the product says it.
    """

    name: str
    quantity: int
    supplier_id: int | None = None
    is_by_barcode: bool = False


def is_quantity(text: str, *, signed: bool = False) -> bool:
    """Whether a text may be a quantity with units, whatever the product: ``5 cases``, ``2 pallets + 3``."""
    unsigned = text.strip().removeprefix("-" if signed else "").removeprefix("+" if signed else "")
    shown = _SHOWN.fullmatch(unsigned)
    terms = [_TERM.fullmatch(each.strip()) for each in (shown["packs"] if shown else unsigned).split("+")]
    return all(terms) and any(term and term["unit"] for term in terms)


def require_clear(number: str, unit: str | None) -> None:
    """Check that a point in a number is a decimal one: 1.000 pieces may be one or a thousand, 1.250 kg are 1,250 g.

    Args:
        number: Digits, maybe with a point.
        unit: The unit; None: base units.

    Raises:
        InvalidRequest: It may be two numbers; or it is a part of a unit that has none.
    """
    _, point, behind = number.partition(".")
    built_in = MEASURES.get(unit.lower()) if unit else (BaseUnit.EACH, Fraction(1))
    if point and built_in and built_in[1] == 1:
        raise InvalidRequest(f"{number} must be whole units, without dots or commas")
    if built_in is None and len(behind) == _THOUSANDS:
        raise InvalidRequest(
            f"{number} {unit} may be a thousand times as many; write it without the point or the zeros"
        )


def base_unit_called(name: str) -> BaseUnit:
    """The base unit of that name, in any case, by its word or its symbol.

    Raises:
        InvalidRequest: There is none.
    """
    base, factor = MEASURES.get(name.strip().lower(), (BaseUnit.EACH, Fraction(0)))
    if factor != 1:
        raise InvalidRequest("must be each, gram, millilitre or millimetre")
    return base


def pack_name(name: str) -> str:
    """A pack's name as it is kept: one word in small letters, as beside a barcode.

    Raises:
        ValueError: It can't be one, or would be read as something else beside a number.
    """
    kept = require_unit(name)
    if kept in MEASURES or kept == "of":
        raise ValueError(f"{kept} is built in, and can't be a pack's name")
    return kept


@dataclass(frozen=True)
class ProductUnits:
    """The units of one product: its base unit, and the packs that count for whoever asks.

    Attributes:
        base_unit: The base unit.
        packs: Base units in each pack, by its name.
        unclear: Names of which barcodes say different quantities, each with these.
        of_suppliers: Names that only suppliers have, who weren't named.
    """

    base_unit: BaseUnit = BaseUnit.EACH
    packs: Mapping[str, int] = field(default_factory=dict)
    unclear: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    of_suppliers: tuple[str, ...] = ()

    def parse(self, text: str, *, signed: bool = False) -> int:
        """A quantity as a person writes it, in base units.

        Args:
            text: ``120``, ``5 cases``, ``1.25kg``, ``2 pallets + 3 cases + 5``, or as `shown` writes it.
            signed: Whether ``-3 cases`` is one as well.

        Raises:
            InvalidRequest: It isn't one, the product has no such unit, or it isn't whole in the base unit; the message
                says what there is, or the nearest whole quantities.
        """
        written = text.strip()
        if shown := _SHOWN.fullmatch(written):
            units, packs = (self.parse(shown[part], signed=signed) for part in ("units", "packs"))
            if units != packs and not (signed and units == -packs):
                raise InvalidRequest(f"{text!r} says {units} and {packs}")
            return units
        sign, unsigned = (-1, written[1:]) if written[:1] == "-" else (1, written.removeprefix("+"))
        terms = [each.strip() for each in unsigned.split("+")]
        if written[:1] in {"-", "+"} and (not signed or len(terms) > 1):
            wrong = "give a sum without a sign" if signed else "must not be negative"
            raise InvalidRequest(f"{text!r}: {wrong}")
        return sign * sum(self.in_base_units(*self._term(each, text)) for each in terms)

    def in_base_units(self, number: Decimal | int, unit: str | None) -> int:
        """A number of a unit in base units; without a unit they are base units already.

        Raises:
            InvalidRequest: As `parse`.
        """
        factor = Fraction(1) if unit is None else self.factor(unit)
        exact = Fraction(number) * factor
        require_clear(f"{number}", unit)
        if exact.denominator != 1:
            below = exact.numerator // exact.denominator
            said = f"{number} {unit}" if unit else f"{number}"
            nearest = f"{self.base_unit.shown(below)} or {self.base_unit.shown(below + 1)}"
            raise InvalidRequest(f"{said} isn't whole in {self.counted_in}; the nearest are {nearest}")
        return int(exact)

    def factor(self, unit: str) -> Fraction:
        """Base units in one of a unit, in any case of letters, in the singular or the English plural.

        Raises:
            InvalidRequest: The product has no such unit, or it may be two.
        """
        name = unit.lower()
        if name in MEASURES:
            base, factor = MEASURES[name]
            if base is not self.base_unit:
                raise InvalidRequest(f"{unit} is no unit of it: it is counted in {self.counted_in}{self._known()}")
            return factor
        meant = self._meant(name)
        if len(meant) > 1:
            raise InvalidRequest(f"{unit} may be {' or '.join(meant)}; write one of them")
        if not meant:
            if any(each in self.of_suppliers for each in [name, *_singulars(name)]):
                raise InvalidRequest(
                    f"{unit} is a pack of its suppliers only, and they may differ; give {self.counted_in}"
                )
            raise InvalidRequest(f"it has no unit {unit!r}: it is counted in {self.counted_in}{self._known()}")
        if several := self.unclear.get(meant[0]):
            quantities = " and ".join(str(each) for each in several)
            raise InvalidRequest(f"its barcodes say that a {meant[0]} has {quantities}; import its unit, or count them")
        return Fraction(self.packs[meant[0]])

    def explained(self, text: str, *, signed: bool = False) -> str:
        """A quantity as it was written, and what it comes to: ``5 cases of 24 = 120``, ``1.25 kg = 1250 g``.

        Raises:
            InvalidRequest: As `parse`.
        """
        units, written = self.base_unit.shown(self.parse(text, signed=signed)), text.strip()
        if _SHOWN.fullmatch(written):
            return written
        terms = [self._named(*self._term(each.strip(), text)) for each in written.lstrip("+-").split("+")]
        return f"{'-' if written.startswith('-') else ''}{' + '.join(terms)} = {units}"

    def in_packs(self, units: int) -> str:
        """A number of base units in packs, the largest first: ``5 cases of 24 + 5``; empty if it has none so large."""
        parts, rest = decompose(units, [Pack(*each) for each in self.packs.items()])
        if not parts:
            return ""
        written = [f"{count} {self._plural(pack.name, count)} of {pack.quantity}" for count, pack in parts]
        return " + ".join([*written, *([str(rest)] if rest else [])])

    def shown(self, units: int) -> str:
        """A number of base units for people: ``125 (5 cases of 24 + 5)``, ``1250 g``."""
        packs = self.in_packs(abs(units))
        return f"{self.base_unit.shown(units)} ({packs})" if packs else self.base_unit.shown(units)

    @property
    def counted_in(self) -> str:
        """The base unit in words: ``pieces``, ``grams``."""
        return "pieces" if self.base_unit is BaseUnit.EACH else f"{self.base_unit.lower()}s"

    def _known(self) -> str:
        packs = sorted(self.packs.items(), key=lambda each: (each[1], each[0]))
        named = [f"{name} ({quantity})" for name, quantity in packs[:_NAMES_SHOWN]]
        return f", and in {', '.join(named)}" if named else ", and has no packs"

    def _named(self, number: Decimal, unit: str | None) -> str:
        """A part of a quantity, with the base units in its pack."""
        if unit is None:
            return f"{number}"
        if unit.lower() in MEASURES:
            return f"{number} {unit}"
        name = self._meant(unit.lower())[0]
        return f"{number} {self._plural(name, number)} of {self.packs[name]}"

    def _term(self, term: str, text: str) -> tuple[Decimal, str | None]:
        read = _TERM.fullmatch(term)
        if read is None:
            raise InvalidRequest(f"{text!r} is no quantity, such as 120, 5 cases or 1.25 kg")
        unit = read["unit"]
        if read["factor"] is not None:
            has = self.factor(unit)
            if has != int(read["factor"]):
                raise InvalidRequest(f"{text!r}: of {unit} it has {has} in each, not {read['factor']}")
        return Decimal(read["number"]), unit

    def _meant(self, name: str) -> list[str]:
        named = {**self.packs, **self.unclear}
        return [name] if name in named else [each for each in _singulars(name) if each in named]

    def _plural(self, name: str, count: Decimal | int) -> str:
        plural = name if count == 1 else _plural_of(name)
        return plural if plural not in MEASURES and self._meant(plural) == [name] else name


def units_for(base_unit: BaseUnit, known: Iterable[KnownPack], supplier_id: int | None = None) -> ProductUnits:
    """The units of a product that count for a supplier's orders, or for the house.

    A supplier's own pack comes before the house's of the same name, and that before what barcodes say.

    Args:
        base_unit: The product's base unit.
        known: Its packs in the catalogue.
        supplier_id: The supplier that is ordered from; None: the house's own count.
    """
    theirs: dict[str, int] = {}
    house: dict[str, int] = {}
    barcodes: dict[str, list[int]] = {}
    others: list[str] = []
    for pack in known:
        if pack.is_by_barcode:
            barcodes.setdefault(pack.name, []).append(pack.quantity)
        elif pack.supplier_id is None:
            house[pack.name] = pack.quantity
        elif pack.supplier_id == supplier_id:
            theirs[pack.name] = pack.quantity
        else:
            others.append(pack.name)
    said = {name: tuple(sorted(dict.fromkeys(each))) for name, each in barcodes.items()}
    clear = {name: quantities[0] for name, quantities in said.items() if len(quantities) == 1}
    packs = clear | house | theirs
    unclear = {name: quantities for name, quantities in said.items() if name not in packs}
    there = {**packs, **unclear}
    return ProductUnits(base_unit, packs, unclear, tuple(name for name in others if name not in there))


def decompose(units: int, packs: Iterable[Pack]) -> tuple[list[tuple[int, Pack]], int]:
    """A number of base units in packs, the largest first, and what is left over.

    Args:
        units: Base units, not negative.
        packs: The packs; those of a single unit don't count, nor a second one of the same size.

    Returns:
        How many of each pack, without those of which there are none; and the rest in base units. Together they are
        the units.
    """
    parts: list[tuple[int, Pack]] = []
    rest = units
    for pack in sorted(packs, key=lambda each: (-each.quantity, each.name)):
        count, left = divmod(rest, pack.quantity) if pack.quantity > 1 else (0, rest)
        if count:
            parts.append((count, pack))
            rest = left
    return parts, rest


def _singulars(name: str) -> Iterator[str]:
    """What an English plural may be the plural of."""
    if name.endswith("ies"):
        yield name[:-3] + "y"
    if name.endswith("es"):
        yield name[:-2]
    if name.endswith("s"):
        yield name[:-1]


def quantity_in(quantity: int, unit: str) -> str:
    """A number of a pack's units, or of a measure, in words: ``1 case``, ``5 cases``, ``24 each``, ``1250 g``."""
    stays = quantity == 1 or unit in {*MEASURES, "each"}
    return f"{quantity} {unit if stays else _plural_of(unit)}"


def _plural_of(name: str) -> str:
    if name.endswith(("s", "x", "z", "ch", "sh")):
        return f"{name}es"
    if name.endswith("y") and name[-2:-1] not in {"a", "e", "i", "o", "u", ""}:
        return f"{name[:-1]}ies"
    return f"{name}s"
