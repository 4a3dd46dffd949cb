"""Small faults to put into a module, one at a time: what operators there are, and where in a module they act."""

import ast
import copy
from collections.abc import Iterator
from typing import NamedTuple

COMPARISONS: dict[type, type] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
ARITHMETIC: dict[type, type] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Pow: ast.Mult, ast.FloorDiv: ast.Div,
    ast.Mod: ast.Mult, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr, ast.BitXor: ast.BitOr,
    ast.LShift: ast.RShift, ast.RShift: ast.LShift,
}  # fmt: skip
NAMES = {"min": "max", "max": "min", "any": "all", "all": "any", "argmin": "argmax", "argmax": "argmin"}


class Mutant(NamedTuple):
    """A module with one fault.

    Args:
        line: where it is.
        operator: what was done.
        before: the code there.
        after: the code in its place.
        number: of the module's mutants.
    """

    line: int
    operator: str
    before: str
    after: str
    number: int


def changes(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """The faults that a node can have: an operator's name, and the node in its place."""
    changed = copy.deepcopy(node)
    if isinstance(changed, ast.Compare) and len(changed.ops) == 1:
        changed.ops = [COMPARISONS[type(changed.ops[0])]()]
        yield "comparison", changed
    elif isinstance(changed, ast.BinOp | ast.AugAssign) and type(changed.op) in ARITHMETIC:
        changed.op = ARITHMETIC[type(changed.op)]()
        yield "arithmetic", changed
    elif isinstance(changed, ast.BoolOp):
        changed.op = ast.Or() if isinstance(changed.op, ast.And) else ast.And()
        yield "and, or", changed
    elif isinstance(changed, ast.UnaryOp) and isinstance(changed.op, ast.Not | ast.USub):
        yield "negation left out", changed.operand
    elif isinstance(changed, ast.If | ast.IfExp | ast.While):
        changed.test = ast.UnaryOp(ast.Not(), changed.test)
        yield "condition turned round", changed
    elif isinstance(changed, ast.Constant) and isinstance(changed.value, bool):
        yield "constant", ast.Constant(not changed.value)
    elif isinstance(changed, ast.Constant) and isinstance(changed.value, int | float):
        yield "constant", ast.Constant(changed.value + 1)
    elif isinstance(changed, ast.Name | ast.Attribute):
        name = changed.id if isinstance(changed, ast.Name) else changed.attr
        if name in NAMES:
            setattr(changed, "id" if isinstance(changed, ast.Name) else "attr", NAMES[name])
            yield "another function", changed
    elif isinstance(changed, ast.Expr) and isinstance(changed.value, ast.Call):
        yield "call left out", ast.Pass()
    if isinstance(node, ast.Call) and len(node.args) > 1 and not isinstance(node.args[-1], ast.Starred):
        shorter = copy.deepcopy(node)
        shorter.args = shorter.args[:-1]
        yield "last argument left out", shorter
    if isinstance(node, ast.AugAssign):
        yield "assignment left out", ast.Pass()


def mutants(source: str) -> list[Mutant]:
    """All mutants of a module, in the order of its code."""
    faults = (
        (node, operator, changed) for *_, node in places(ast.parse(source)) for operator, changed in changes(node)
    )
    return [
        Mutant(node.lineno, operator, shown(node), shown(changed), number)
        for number, (node, operator, changed) in enumerate(faults)
    ]


def with_fault(source: str, wanted: int) -> ast.Module:
    """A module with the mutant of this number in it."""
    tree = ast.parse(source)
    number = 0
    for parent, name, index, node in list(places(tree)):
        for _, changed in changes(node):
            if number == wanted:
                put(parent, name, index, ast.copy_location(changed, node))
                return ast.fix_missing_locations(tree)
            number += 1
    raise IndexError(wanted)


def places(node: ast.AST) -> Iterator[tuple[ast.AST, str, int | None, ast.AST]]:
    """Every node that may be changed, with its place in its parent; no annotations, messages, texts or decorators."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "bases", "format_spec", "type_comment"):
            continue
        for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if not isinstance(child, ast.AST) or isinstance(child, ast.Raise | ast.Assert | ast.JoinedStr | ast.Import):
                continue
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
                continue
            if hasattr(child, "lineno"):
                yield node, name, index, child
            yield from places(child)


def put(parent: ast.AST, name: str, index: int | None, node: ast.AST) -> None:
    """Put a node into its place."""
    if index is None:
        setattr(parent, name, node)
    else:
        getattr(parent, name)[index] = node


def shown(node: ast.AST) -> str:
    """A node's first line of code."""
    return ast.unparse(node).splitlines()[0]
