"""Finds what has no place in code that is replayed: clocks, chance, input and output, threads, and state of a module.

A replay has to do the same again, on another machine and in another process. The order of sets is in `replayed_sets`.

Imports are of modules that are known to be harmless, so what nobody has thought of is refused. A name is followed to
the import that it comes from, and no further.
"""

import ast
from collections.abc import Iterator, Mapping

from tests.architecture.replayed_sets import orders_of_sets

# Nothing here reads a clock or anything else outside the process, but for the names that are refused below.
MODULES = {
    "asyncio", "base64", "bisect", "collections", "collections.abc", "contextlib", "csv", "dataclasses", "datetime",
    "decimal", "difflib", "email.utils", "enum", "fractions", "functools", "gzip", "itertools", "json", "math",
    "operator", "re", "statistics", "string", "textwrap", "types", "typing", "unicodedata", "zlib", "zoneinfo",
    "pydantic", "pydantic.json_schema", "pydantic_core",
    "temporalio", "temporalio.activity", "temporalio.common", "temporalio.contrib.pydantic", "temporalio.converter",
    "temporalio.exceptions", "temporalio.workflow",
}  # fmt: skip
# ... and whatever is within these.
PACKAGES = ("stockkeeper.contracts", "stockkeeper.domain", "temporalio.api", "workflows")
# Temporal's event loop has these, and each does the same again. A TaskGroup keeps its tasks in a set; others wait for
# the machine.
OF_ASYNCIO = {
    "CancelledError", "Condition", "Event", "Future", "Lock", "PriorityQueue", "Queue", "Semaphore", "Task",
    "create_task", "current_task", "gather", "shield", "sleep", "timeout", "timeout_at", "wait_for",
}  # fmt: skip
OF_UNSAFE = {"imports_passed_through"}
CLOCKS = {
    "ctime", "fromtimestamp", "gmtime", "localtime", "monotonic", "monotonic_ns", "now", "perf_counter",
    "perf_counter_ns", "process_time", "time", "time_ns", "today", "utcfromtimestamp", "utcnow",
}  # fmt: skip
CHANCE = {"choice", "choices", "getrandbits", "randint", "random", "sample", "samples", "shuffle", "urandom"}
OUTSIDE = {"available_timezones", "call_soon_threadsafe", "formatdate", "make_msgid", "open", "run_in_executor"}
BUILTINS = {
    "__import__", "breakpoint", "compile", "eval", "exec", "exit", "globals", "hash", "id", "input", "open", "print",
    "quit",
}  # fmt: skip
MUTATORS = {
    "add", "append", "appendleft", "clear", "discard", "extend", "insert", "pop", "popitem", "popleft", "remove",
    "reverse", "setdefault", "sort", "update",
}  # fmt: skip

WORKFLOW = "temporalio.workflow"


def offences(source: str, elsewhere: frozenset[str] = frozenset()) -> list[str]:
    """Imports, names, calls and iterations that have no place in what is replayed.

    Args:
        source: A module.
        elsewhere: Names of functions and attributes that are sets in the modules beside it.
    """
    tree = ast.parse(source)
    return [*_reaches_out(tree), *_keeps_state(tree), *orders_of_sets(tree, elsewhere)]


def _reaches_out(tree: ast.Module) -> Iterator[str]:
    origins = _origins(tree)
    # Of `a.b.c` only the whole is looked at.
    inner = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        match node:
            case ast.Import() | ast.ImportFrom():
                yield from _imported(node)
            case ast.Name(name, ast.Load()) if name in BUILTINS and name not in origins:
                yield name
            case ast.Attribute() if id(node) not in inner and (reached := _reached(node, origins)):
                yield reached
            case ast.Call(ast.Attribute(attr="astimezone"), [], []):
                yield "the machine's timezone"


def _imported(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    match node:
        case ast.Import(names):
            yield from (each.name for each in names if not _is_known(each.name))
        case ast.ImportFrom(module=module, names=names, level=level):
            for each in names:
                full = f"{module}.{each.name}"
                # What is imported is a module itself, or a name in one.
                if level or not (_is_known(module or "") or _is_known(full)) or _is_refused(full):
                    yield full


def _is_known(module: str) -> bool:
    return module in MODULES or f"{module}.".startswith(tuple(f"{each}." for each in PACKAGES))


def _is_refused(full: str) -> bool:
    """Whether this name, spelt from its module on, is outside of what is replayed."""
    parts = full.split(".")
    match parts:
        case ["asyncio", name, *_]:
            return name not in OF_ASYNCIO
        case ["temporalio", "workflow", "unsafe", name, *_]:
            return name not in OF_UNSAFE
        # Its clock and its chance are those of the history.
        case ["temporalio", "workflow", *_]:
            return False
        case ["temporalio", name, *_] if len(parts) == 2 and name.islower():
            return not _is_known(full)
        case _:
            return bool({*parts[1:]} & (CLOCKS | CHANCE | OUTSIDE))


def _reached(node: ast.Attribute, origins: Mapping[str, str]) -> str | None:
    """What an attribute is, where that is refused."""
    spelt = ast.unparse(node)
    first, _, rest = spelt.partition(".")
    full = f"{origins.get(first, first)}.{rest}"
    if first not in origins:
        full = {"workflow": f"{WORKFLOW}.{rest}", "asyncio": spelt}.get(first, f"_.{node.attr}")
    return spelt if _is_refused(full) else None


def _origins(tree: ast.Module) -> dict[str, str]:
    """Where each imported name comes from."""
    origins: dict[str, str] = {}
    for node in ast.walk(tree):
        match node:
            case ast.Import(names):
                for each in names:
                    first = each.name.split(".")[0]
                    origins[each.asname or first] = each.name if each.asname else first
            case ast.ImportFrom(module=str(module), names=names):
                origins |= {each.asname or each.name: f"{module}.{each.name}" for each in names}
    return origins


def _keeps_state(tree: ast.Module) -> Iterator[str]:
    """What a function changes of its module or of its class, which all runs of a worker share."""
    shared = _names_of(tree.body) | {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
    yield from (f"global {', '.join(node.names)}" for node in ast.walk(tree) if isinstance(node, ast.Global))
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) and function.name != "__init_subclass__":
            theirs = (shared - _own_names(function)) | {"cls"}
            for node in ast.walk(function):
                yield from _changes(node, theirs)


def _changes(node: ast.AST, shared: set[str]) -> Iterator[str]:
    match node:
        case ast.Assign(targets) | ast.Delete(targets):
            yield from (ast.unparse(target) for target in targets if _holder(target) in shared)
        case ast.AugAssign(target) | ast.AnnAssign(target) if _holder(target) in shared:
            yield ast.unparse(target)
        case ast.Call(ast.Attribute(ast.Name(name), attr)) if name in shared and attr in MUTATORS:
            yield f"{name}.{attr}()"
        case ast.Call(ast.Name("next"), [ast.Name(name), *_]) if name in shared:
            yield f"next({name})"


def _holder(target: ast.expr) -> str:
    """The name of what an assignment changes a part of."""
    match target:
        case ast.Attribute(ast.Name(name)) | ast.Subscript(ast.Name(name)):
            return name
        case ast.Attribute(inner) | ast.Subscript(inner):
            return _holder(inner)
        case _:
            return ""


def _names_of(statements: list[ast.stmt]) -> set[str]:
    targets: list[ast.expr] = []
    for statement in statements:
        match statement:
            case ast.Assign(assigned):
                targets += assigned
            case ast.AnnAssign(target):
                targets.append(target)
    return {target.id for target in targets if isinstance(target, ast.Name)}


def _own_names(function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    return {
        node.arg if isinstance(node, ast.arg) else node.id
        for node in ast.walk(function)
        if isinstance(node, ast.arg) or (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store))
    }
