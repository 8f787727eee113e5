"""Finds what has no place in code that is replayed: clocks, chance, input and output, threads, and the order of a set.

A replay has to do the same again, on another machine and in another process. Names are followed within a module: a
variable, attribute or parameter that is a set there, and a function that returns one.
"""

import ast
from collections.abc import Iterator

FORBIDDEN_MODULES = {
    "concurrent", "ctypes", "gc", "getpass", "glob", "http", "io", "locale", "multiprocessing", "numpy", "os",
    "pathlib", "platform", "queue", "random", "requests", "sched", "secrets", "select", "shutil", "signal", "socket",
    "sqlite3", "ssl", "subprocess", "tempfile", "threading", "time", "urllib", "uuid", "weakref",
}  # fmt: skip
CLOCKS = {"now", "utcnow", "today", "time", "time_ns", "monotonic", "perf_counter", "fromtimestamp"}
FORBIDDEN_CALLS = {"__import__", "breakpoint", "eval", "exec", "hash", "id", "input", "open"}
# Threads, sockets and programs; and asyncio's own waiting, which keeps its tasks in sets (`workflow.wait` doesn't).
OF_ASYNCIO = {
    "as_completed", "create_subprocess_exec", "create_subprocess_shell", "open_connection", "run_coroutine_threadsafe",
    "start_server", "to_thread", "wait",
}  # fmt: skip

SETS = {"set", "frozenset", "AbstractSet", "MutableSet"}
OF_SETS = {"union", "intersection", "difference", "symmetric_difference"}
# What takes an iterable and keeps its order ...
ORDERED = {
    "deque", "enumerate", "extend", "filter", "fromkeys", "iter", "join", "list", "map", "reversed", "tuple", "zip",
}  # fmt: skip
# ... and what gives the same for each order.
UNORDERED = {"sorted", "set", "frozenset", "any", "all", "len", "min", "max", "Counter"}


def offences(source: str) -> list[str]:
    """Imports, calls and iterations that have no place in what is replayed."""
    tree = ast.parse(source)
    return [*_reaches_out(tree), *_follows_the_order_of_a_set(tree)]


def _reaches_out(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names):
                yield from (each.name for each in names if each.name.split(".")[0] in FORBIDDEN_MODULES)
            case ast.ImportFrom(module=str(module)) if module.split(".")[0] in FORBIDDEN_MODULES:
                yield module
            case ast.ImportFrom(module="asyncio", names=names):
                yield from (f"asyncio.{each.name}" for each in names if each.name in OF_ASYNCIO)
            case ast.Attribute(value, attr) if attr in CLOCKS and ast.unparse(value) != "workflow":
                yield ast.unparse(node)
            case ast.Attribute(ast.Name("asyncio"), attr) if attr in OF_ASYNCIO:
                yield ast.unparse(node)
            case ast.Attribute(attr="run_in_executor"):
                yield ast.unparse(node)
            case ast.Call(ast.Name(name)) if name in FORBIDDEN_CALLS:
                yield f"{name}()"
            case ast.Global(names):
                yield f"global {', '.join(names)}"


def _follows_the_order_of_a_set(tree: ast.Module) -> Iterator[str]:
    named = _names_of_sets(tree)
    harmless = {
        id(argument)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and _last_name(node.func) in UNORDERED
        for argument in node.args
    }
    for node in ast.walk(tree):
        for iterated in _iterated(node, harmless):
            if _is_set(iterated, named):
                yield f"order of {ast.unparse(iterated)}"


def _iterated(node: ast.AST, harmless: set[int]) -> Iterator[ast.expr]:
    """What the node goes over in a way that shows the order."""
    match node:
        case ast.For(iter=iterated) | ast.AsyncFor(iter=iterated) | ast.YieldFrom(iterated):
            yield iterated
        case ast.ListComp() | ast.GeneratorExp() | ast.DictComp() if id(node) not in harmless:
            yield from (each.iter for each in node.generators)
        case ast.Call(func, args):
            if _last_name(func) in ORDERED:
                yield from (each for each in args if not isinstance(each, ast.Starred))
            yield from (each.value for each in args if isinstance(each, ast.Starred))
        case ast.List(elements) | ast.Tuple(elements):
            yield from (each.value for each in elements if isinstance(each, ast.Starred))
        case ast.Assign([ast.Tuple() | ast.List()], value):
            yield value


def _names_of_sets(tree: ast.Module) -> set[str]:
    named: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.AnnAssign(target, annotation) if _is_set_type(annotation):
                named.add(_last_name(target))
            case ast.arg(name, ast.expr() as annotation) if _is_set_type(annotation):
                named.add(name)
            case ast.FunctionDef(name, returns=ast.expr() as returns) if _is_set_type(returns):
                named.add(name)
            case ast.Assign(targets, value) if _is_set(value, named):
                named |= {_last_name(target) for target in targets}
            case ast.NamedExpr(ast.Name(name), value) if _is_set(value, named):
                named.add(name)
    return named - {""}


def _is_set_type(annotation: ast.expr) -> bool:
    match annotation:
        case ast.Constant(str(text)):
            return _is_set_type(ast.parse(text, mode="eval").body)
        case ast.Subscript(ast.Name("ClassVar" | "Final"), of):
            return _is_set_type(of)
        case ast.Subscript(of):
            return _last_name(of) in SETS
        case _:
            return _last_name(annotation) in SETS


def _is_set(node: ast.expr, named: set[str]) -> bool:
    match node:
        case ast.Set() | ast.SetComp():
            return True
        case ast.BinOp(left, ast.BitOr() | ast.BitAnd() | ast.BitXor() | ast.Sub(), right):
            return any(_is_set(side, named) or _is_keys(side) for side in (left, right))
        case ast.IfExp(_, body, orelse):
            return _is_set(body, named) or _is_set(orelse, named)
        case ast.Call(ast.Name("set" | "frozenset")):
            return True
        case ast.Call(ast.Attribute(attr=attr)) if attr in OF_SETS:
            return True
        case ast.Call(func):
            return _last_name(func) in named
        case ast.Name() | ast.Attribute():
            return _last_name(node) in named
        case _:
            return False


def _is_keys(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and _last_name(node.func) == "keys"


def _last_name(node: ast.expr) -> str:
    match node:
        case ast.Name(name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""
