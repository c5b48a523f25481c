"""Writes the asyncio twin of an interface, next to it in its module.

The twin is what `AsyncPackDb.service` is given, so that type checkers and editors know that its
methods are awaited. It has the interface's methods as they are written there, but for `async`.
"""

import ast
from abc import ABC

from pack_db.errors import ConfigurationError

_HEAD = '''class Async{name}({base}):
    """`{name}` for asyncio: the same methods, arguments, results and errors."""
'''


def with_twin(source: str, interface: type) -> str:
    """The source of an interface's module, with the twin of it as it ought to be.

    One that differs in its format only is left as it is.

    Raises:
        ConfigurationError: the interface is not one class with all of its methods, or a type hint
            is missing.
    """
    name = interface.__name__
    classes = {n.name: n for n in ast.parse(source).body if isinstance(n, ast.ClassDef)}
    if name not in classes or interface.__bases__ != (ABC,):
        raise ConfigurationError(
            f"{interface.__module__}.{name} has no twin: it must be a class at the top of its "
            "module, with ABC as its only base"
        )
    twin = _twin(source, interface, classes[name])
    lines = source.splitlines(keepends=True)
    if (old := classes.get(f"Async{name}")) is None:
        end = classes[name].end_lineno
        return "".join([*lines[:end], "\n\n", twin, *lines[end:]])
    if ast.dump(old) == ast.dump(ast.parse(twin).body[0]):
        return source
    return "".join([*lines[: old.lineno - 1], twin, *lines[old.end_lineno :]])


def _twin(source: str, interface: type, node: ast.ClassDef) -> str:
    names = getattr(interface, "__abstractmethods__")  # noqa: B009  # ABC's own, unknown to mypy
    parts = [_HEAD.format(name=node.name, base=ast.unparse(node.bases[0]))]
    for method in node.body:
        if isinstance(method, ast.FunctionDef) and method.name in names:
            if method.returns is None:
                raise ConfigurationError(
                    f"{node.name}.{method.name} has no type hint of its result"
                )
            parts.append(_method(source.splitlines(), method, method.returns))
    return "\n".join(parts)


def _method(lines: list[str], node: ast.FunctionDef, returns: ast.expr) -> str:
    decorators = lines[node.decorator_list[0].lineno - 1 : node.lineno - 1]
    first, *more = lines[node.lineno - 1 : returns.end_lineno]
    signature = [*decorators, f"    async {first.lstrip()}", *more]
    # Counted in bytes, as the parser does; the first line is the one that became longer.
    end = (returns.end_col_offset or 0) + (0 if more else len("async "))
    signature[-1] = signature[-1].encode()[:end].decode()
    return "\n".join(signature) + ": ...\n"
