"""Finds where code goes by the order of a set, which is another in each process.

Names are followed within a module: a variable, attribute or parameter that is a set there, what holds sets, and a
function that returns one. Attributes and functions that are sets in the modules beside it are given.
"""

import ast
from collections.abc import Iterator
from typing import NamedTuple

SETS = {"set", "frozenset", "Set", "FrozenSet", "AbstractSet", "MutableSet"}
OF_SETS = {"union", "intersection", "difference", "symmetric_difference"}
# What takes an iterable and keeps its order, or shows it ...
ORDERED = {
    "Counter", "OrderedDict", "accumulate", "batched", "chain", "combinations", "cycle", "deque", "dict",
    "dropwhile", "dumps", "enumerate", "extend", "filter", "format", "from_iterable", "fromkeys", "fsum", "groupby",
    "islice", "iter", "join", "list", "map", "pairwise", "permutations", "product", "reduce", "repr", "reversed",
    "starmap", "str", "takewhile", "tuple", "zip", "zip_longest",
}  # fmt: skip
# ... and what gives the same for each order; with a key, the first of equals comes first.
UNORDERED = {"sorted", "set", "frozenset", "any", "all", "len", "min", "max"}
BY_KEY = {"sorted", "min", "max", "nlargest", "nsmallest"}


class Sets(NamedTuple):
    """The names of a module that are sets, and those that hold some."""

    named: set[str]
    holding: set[str]


def orders_of_sets(tree: ast.Module, elsewhere: frozenset[str] = frozenset()) -> Iterator[str]:
    """Every iteration that shows the order of a set."""
    sets = _sets_of(tree, elsewhere)
    harmless = {
        id(argument)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and _last_name(node.func) in UNORDERED and not _by_key(node)
        for argument in node.args
    }
    for node in ast.walk(tree):
        for iterated in _iterated(node, harmless):
            if _is_set(iterated, sets):
                yield f"order of {ast.unparse(iterated)}"


def sets_declared(sources: list[str]) -> frozenset[str]:
    """Functions and attributes that are sets wherever these modules declare them."""
    sets: set[str] = set()
    others: set[str] = set()
    for source in sources:
        for name, annotation in _declared(ast.parse(source)):
            (sets if _is_set_type(annotation) else others).add(name)
    return frozenset(sets - others)


def _declared(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() if node.returns:
                yield node.name, node.returns
            case ast.ClassDef(body=body):
                for statement in body:
                    if isinstance(statement, ast.AnnAssign):
                        yield _last_name(statement.target), statement.annotation
            case ast.AnnAssign(ast.Attribute(attr=name), annotation):
                yield name, annotation


def _iterated(node: ast.AST, harmless: set[int]) -> Iterator[ast.expr]:
    """What the node goes over, or takes from, in a way that shows the order."""
    match node:
        case ast.For(iter=iterated) | ast.AsyncFor(iter=iterated) | ast.YieldFrom(iterated):
            yield iterated
        case ast.ListComp() | ast.GeneratorExp() | ast.DictComp() if id(node) not in harmless:
            yield from (each.iter for each in node.generators)
        case ast.Call(ast.Attribute(value, "pop"), []):
            yield value
        case ast.Call(func, args):
            if _last_name(func) in ORDERED or _by_key(node):
                yield from (each for each in args if not isinstance(each, ast.Starred))
            yield from (each.value for each in args if isinstance(each, ast.Starred))
        case ast.List(elements) | ast.Tuple(elements):
            yield from (each.value for each in elements if isinstance(each, ast.Starred))
        case ast.Assign([ast.Tuple() | ast.List()], value):
            yield value
        case ast.FormattedValue(value):
            yield value


def _by_key(call: ast.Call) -> bool:
    return _last_name(call.func) in BY_KEY and any(each.arg == "key" for each in call.keywords)


def _sets_of(tree: ast.Module, elsewhere: frozenset[str]) -> Sets:
    sets = Sets({*elsewhere}, set())
    # A name may be given to what another name was given to further down: until nothing new is found.
    while True:
        before = len(sets.named) + len(sets.holding)
        for node in ast.walk(tree):
            _learn(node, sets)
        if len(sets.named) + len(sets.holding) == before:
            return sets


def _learn(node: ast.AST, sets: Sets) -> None:
    match node:
        case ast.AnnAssign(target, annotation):
            _declare(_last_name(target), annotation, sets)
        case ast.arg(name, ast.expr() as annotation):
            _declare(name, annotation, sets)
        case ast.FunctionDef() | ast.AsyncFunctionDef() if node.returns:
            _declare(node.name, node.returns, sets)
        case ast.Assign([ast.Tuple(targets)], ast.Tuple(values)) if len(targets) == len(values):
            for target, value in zip(targets, values, strict=True):
                _give(target, value, sets)
        case ast.Assign(targets, value):
            for target in targets:
                _give(target, value, sets)
        case ast.NamedExpr(target, value):
            _give(target, value, sets)
        case ast.For(target, iterated) | ast.comprehension(target, iterated):
            _go_over(target, iterated, sets)


def _declare(name: str, annotation: ast.expr, sets: Sets) -> None:
    if name and _is_set_type(annotation):
        sets.named.add(name)
    elif name and _holds_sets(annotation):
        sets.holding.add(name)


def _give(target: ast.expr, value: ast.expr, sets: Sets) -> None:
    name = _last_name(target)
    if name and _is_set(value, sets):
        sets.named.add(name)
    elif name and isinstance(value, ast.Call) and _last_name(value.func) == "defaultdict":
        sets.holding.update(name for kind in value.args if _last_name(kind) in SETS)


def _go_over(target: ast.expr, iterated: ast.expr, sets: Sets) -> None:
    """A loop over what holds sets gives its variable one."""
    match iterated, target:
        case ast.Call(ast.Attribute(held, "values"), []), ast.Name(name) if _last_name(held) in sets.holding:
            sets.named.add(name)
        case ast.Call(ast.Attribute(held, "items"), []), ast.Tuple([_, ast.Name(name)]) if (
            _last_name(held) in sets.holding
        ):
            sets.named.add(name)


def _is_set_type(annotation: ast.expr) -> bool:
    match annotation:
        case ast.Constant(str(text)):
            return _is_set_type(ast.parse(text, mode="eval").body)
        case ast.Subscript(ast.Name("ClassVar" | "Final" | "Annotated" | "Optional"), of):
            return _is_set_type(of.elts[0] if isinstance(of, ast.Tuple) else of)
        case ast.Subscript(of):
            return _last_name(of) in SETS
        case ast.BinOp(left, ast.BitOr(), right):
            return _is_set_type(left) or _is_set_type(right)
        case _:
            return _last_name(annotation) in SETS


def _holds_sets(annotation: ast.expr) -> bool:
    match annotation:
        case ast.Subscript(ast.Name("ClassVar" | "Final"), of):
            return _holds_sets(of)
        case ast.Subscript(_, ast.Tuple([*_, last])):
            return _is_set_type(last)
        case ast.Subscript(_, of):
            return _is_set_type(of)
        case _:
            return False


def _is_set(node: ast.expr, sets: Sets) -> bool:  # noqa: C901 - a case for each form
    match node:
        case ast.Set() | ast.SetComp():
            return True
        case ast.BinOp(left, ast.BitOr() | ast.BitAnd() | ast.BitXor() | ast.Sub(), right):
            return any(_is_set(side, sets) or _is_view(side) for side in (left, right))
        case ast.IfExp(_, body, orelse):
            return _is_set(body, sets) or _is_set(orelse, sets)
        case ast.BoolOp(values=values):
            return any(_is_set(value, sets) for value in values)
        case ast.NamedExpr(_, value) | ast.Await(value):
            return _is_set(value, sets)
        case ast.Call(ast.Name("set" | "frozenset")):
            return True
        case ast.Call(ast.Attribute(attr=attr)) if attr in OF_SETS:
            return True
        case ast.Call(ast.Attribute(of, "copy"), []):
            return _is_set(of, sets)
        case ast.Call(ast.Attribute(held, "get" | "setdefault" | "pop")):
            return _last_name(held) in sets.holding
        case ast.Call(func):
            return _last_name(func) in sets.named
        case ast.Subscript(held):
            return _last_name(held) in sets.holding
        case ast.Name() | ast.Attribute():
            return _last_name(node) in sets.named
        case _:
            return False


def _is_view(node: ast.expr) -> bool:
    """Whether it is a view of a dictionary, whose operators make sets."""
    return isinstance(node, ast.Call) and _last_name(node.func) in {"keys", "items"}


def _last_name(node: ast.expr) -> str:
    match node:
        case ast.Name(name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""
