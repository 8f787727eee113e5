"""Audits what is pinned: licences, known vulnerabilities, and whether what is installed is what is pinned.

`python -m devstack.audit` (in `make check`) needs no network: it compares `constraints.txt` and this environment with
the list of what was audited, `deploy/sbom.cdx.json`. `python -m devstack.audit ADVISORIES` (`make audit`) writes that
list anew, by a checkout of the Python Packaging Advisory Database.
"""

import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from packaging.utils import canonicalize_name
from packaging.version import Version
from ruamel.yaml import YAML

REPOSITORY = Path(__file__).parents[1]
LIST = "deploy/sbom.cdx.json"
RULES = "deploy/audit.toml"
_OURS = {"stockkeeper", "pip"}
_CLASSIFIED = {
    "Apache Software License": "Apache-2.0",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
}
"""Classifiers that name one licence; "BSD License" names several."""
_REVISION = "advisories:revision"
_OF_DAY = "advisories:day"


@dataclass(frozen=True)
class Audited:
    """What is known of one pinned package.

    Attributes:
        version: The one that was looked at.
        licence: An SPDX expression; empty: unknown.
        advisories: Ids of the advisories about this version.
    """

    version: str
    licence: str
    advisories: tuple[str, ...] = ()


@dataclass(frozen=True)
class Record:
    """The list of what was audited.

    Attributes:
        packages: By name.
        revision: The advisories' commit.
        day: That commit's day: what was published later isn't known.
    """

    packages: Mapping[str, Audited]
    revision: str
    day: date


@dataclass(frozen=True)
class Rules:
    """What is allowed.

    Attributes:
        licences: SPDX ids.
        stated: Licences of packages that don't say it themselves.
        accepted: Advisories that are lived with: package, id, and the last day.
    """

    licences: frozenset[str]
    stated: Mapping[str, str]
    accepted: Mapping[tuple[str, str], date]


def problems(
    pinned: Mapping[str, str], installed: Mapping[str, str], record: Record, rules: Rules, today: date
) -> Iterator[str]:
    """What keeps this set of packages from being taken; nothing: all is well.

    Args:
        pinned: Versions by package, of `constraints.txt`.
        installed: Versions by package, of this environment.
        record: What was audited.
        rules: What is allowed.
        today: Accepted advisories count until their day.
    """
    yield from _out_of_date(pinned, record)
    for name, version in sorted(installed.items()):
        if pinned.get(name) != version:
            yield f"{name} {version} is installed, and constraints.txt has {pinned.get(name, 'nothing of it')}"
    for name, package in sorted(record.packages.items()):
        if not package.licence:
            yield f"{name}: its licence is unknown; install it and run `make audit`, or state it in {RULES}"
        elif strange := licences_in(package.licence) - rules.licences:
            yield f"{name}: {', '.join(sorted(strange))} isn't an allowed licence ({RULES})"
    yield from _not_accepted(record, rules, today)


def _out_of_date(pinned: Mapping[str, str], record: Record) -> Iterator[str]:
    for name in sorted({*pinned, *record.packages}):
        was, now = record.packages.get(name), pinned.get(name)
        if was is None:
            yield f"{name} {now} wasn't audited: run `make audit`"
        elif now is None:
            yield f"{name} was audited, and isn't pinned any more: run `make audit`"
        elif was.version != now:
            yield f"{name} {now} was audited as {was.version}: run `make audit`"


def _not_accepted(record: Record, rules: Rules, today: date) -> Iterator[str]:
    told = {(name, each): package for name, package in record.packages.items() for each in package.advisories}
    for (name, advisory), package in sorted(told.items(), key=lambda found: found[0]):
        until = rules.accepted.get((name, advisory))
        about = f"{name} {package.version}: {advisory}"
        if until is None:
            yield f"{about}; take another version, or accept it in {RULES} with a reason"
        elif until < today:
            yield f"{about} was accepted until {until}"
    for name, advisory in sorted(rules.accepted.keys() - told.keys()):
        yield f"{name}: {advisory} is accepted in {RULES}, and isn't about what is pinned"


def licences_in(expression: str) -> set[str]:
    """The licences that an SPDX expression names."""
    return {word.strip("()") for word in expression.split() if word not in {"AND", "OR", "WITH"}}


def affects(advisory: Mapping[str, Any], version: Version) -> bool:
    """Whether an advisory in the OSV format is about a version; one that was withdrawn is about none."""
    if advisory.get("withdrawn"):
        return False
    return any(
        str(version) in {str(Version(listed)) for listed in affected.get("versions", []) if _is_version(listed)}
        or any(_within(spans["events"], version) for spans in affected.get("ranges", []) if spans["type"] != "GIT")
        for affected in advisory["affected"]
    )


def _within(events: Sequence[Mapping[str, str]], version: Version) -> bool:
    """By the last event up to the version, as OSV's schema has it."""
    inside = False
    at = [(Version(each), kind) for event in events for kind, each in event.items() if _is_version(each)]
    for event, kind in sorted(at, key=lambda found: found[0]):
        if event < version or (event == version and kind != "last_affected"):
            inside = kind == "introduced"
    return inside


def _is_version(text: str) -> bool:
    try:
        Version(text)
    except ValueError:
        return False
    return True


def advisories_about(name: str, version: str, checkout: Path) -> list[str]:
    """The ids of the advisories about a version, in order."""
    found = (YAML(typ="safe").load(file) for file in sorted((checkout / "vulns" / name).glob("*.yaml")))
    return [advisory["id"] for advisory in found if affects(advisory, Version(version))]


def licence_of(distribution: Distribution) -> str:
    """An SPDX expression from a package's metadata; empty: it has none that can be read as one."""
    metadata = distribution.metadata
    classified = [
        text.rpartition(" :: ")[2] for text in metadata.get_all("Classifier", []) if text.startswith("License :: ")
    ]
    known = [_CLASSIFIED[text] for text in classified if text in _CLASSIFIED]
    candidates = [
        *metadata.get_all("License-Expression", []),
        *metadata.get_all("License", []),
        " AND ".join(known) if len(known) == len(classified) else "",
    ]
    for candidate in candidates:
        try:
            if candidate:
                return canonicalize_license_expression(candidate)
        except InvalidLicenseExpression:
            continue
    return ""


def audit(pinned: Mapping[str, str], before: Record | None, rules: Rules, checkout: Path) -> Record:
    """Look at every pinned package; the licence of one that isn't installed here stays as it was known before."""
    here = {str(canonicalize_name(each.name)): licence_of(each) for each in distributions()}
    known = {name: package.licence for name, package in (before.packages if before else {}).items()}
    log = ["git", "-C", str(checkout), "log", "-1", "--format=%H %cs"]
    revision, _, day = subprocess.run(log, capture_output=True, text=True, check=True).stdout.strip().partition(" ")
    return Record(
        {
            name: Audited(
                version,
                rules.stated.get(name) or here.get(name) or known.get(name, ""),
                tuple(advisories_about(name, version, checkout)),
            )
            for name, version in sorted(pinned.items())
        },
        revision,
        date.fromisoformat(day),
    )


def read_pinned(text: str) -> dict[str, str]:
    """Versions by package."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    pins = (line.partition("==") for line in lines if line)
    return {str(canonicalize_name(name)): version for name, _, version in pins}


def read_record(text: str) -> Record:
    """The list, from CycloneDX."""
    bom = json.loads(text)
    about = {each["name"]: each["value"] for each in bom["metadata"]["properties"]}
    advisories: dict[str, list[str]] = {}
    for each in bom["vulnerabilities"]:
        advisories.setdefault(each["affects"][0]["ref"], []).append(each["id"])
    packages = {
        each["name"]: Audited(
            each["version"],
            each["licenses"][0]["expression"] if each["licenses"] else "",
            tuple(advisories.get(each["bom-ref"], ())),
        )
        for each in bom["components"]
    }
    return Record(packages, about[_REVISION], date.fromisoformat(about[_OF_DAY]))


def as_cyclonedx(record: Record) -> str:
    """The list as a bill of materials that other tools read."""
    purls = {name: f"pkg:pypi/{name}@{package.version}" for name, package in record.packages.items()}
    bom: dict[str, object] = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {"type": "application", "name": "stockkeeper", "bom-ref": "stockkeeper"},
            "properties": [
                {"name": _REVISION, "value": record.revision},
                {"name": _OF_DAY, "value": record.day.isoformat()},
            ],
        },
        "components": [
            {
                "type": "library",
                "bom-ref": purls[name],
                "name": name,
                "version": package.version,
                "purl": purls[name],
                "licenses": [{"expression": package.licence}] if package.licence else [],
            }
            for name, package in record.packages.items()
        ],
        "vulnerabilities": [
            {"id": advisory, "affects": [{"ref": purls[name]}]}
            for name, package in record.packages.items()
            for advisory in package.advisories
        ],
    }
    # A component on each line, so that a difference shows what has changed.
    parts = [
        f"{json.dumps(key)}: [\n{_lines(value)}\n]"
        if isinstance(value, list)
        else f"{json.dumps(key)}: {json.dumps(value)}"
        for key, value in bom.items()
    ]
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _lines(values: Sequence[object]) -> str:
    return ",\n".join(json.dumps(value) for value in values)


def read_rules(text: str) -> Rules:
    """What is allowed, from TOML.

    Raises:
        ValueError: An accepted advisory has no reason.
    """
    rules = tomllib.loads(text)
    accepted: dict[tuple[str, str], date] = {}
    for each in rules.get("accepted", []):
        if not each.get("reason", "").strip():
            raise ValueError(f"{RULES}: {each['id']} has no reason")
        accepted[str(canonicalize_name(each["package"])), each["id"]] = each["until"]
    stated = {str(canonicalize_name(name)): licence for name, licence in rules["stated_licences"].items()}
    return Rules(frozenset(rules["allowed_licences"]), stated, accepted)


def main(arguments: Sequence[str]) -> None:
    """Compare, or with a checkout of the advisories write the list anew and then compare."""
    pinned = read_pinned((REPOSITORY / "constraints.txt").read_text(encoding="utf-8"))
    rules = read_rules((REPOSITORY / RULES).read_text(encoding="utf-8"))
    path = REPOSITORY / LIST
    record = read_record(path.read_text(encoding="utf-8")) if path.exists() else None
    if arguments:
        record = audit(pinned, record, rules, Path(arguments[0]))
        path.write_text(as_cyclonedx(record), encoding="utf-8")
    if record is None:
        sys.exit(f"{LIST} is missing: run `make audit`")
    installed = {str(canonicalize_name(each.name)): each.version for each in distributions()}
    others = {name: version for name, version in installed.items() if name not in _OURS}
    today = datetime.now(UTC).date()
    if found := list(problems(pinned, others, record, rules, today)):
        sys.exit("\n".join(found))
    age = (today - record.day).days
    sys.stdout.write(
        f"{len(pinned)} pinned packages: licences allowed, no advisory that isn't accepted, by advisories of "
        f"{record.day} ({age} days old)\n"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
