"""Finds what a piece of code comes to, without running it."""

from __future__ import annotations

import ast

MOST_CHARACTERS = 100_000
"""Of code that is looked at: more would hold up the event loop."""


def naming_last_expression(code: str, name: str) -> str:
    """The code with its last line's value under this name, all else in its place. As it is, where its last line is no
    expression, or can't be understood: whoever runs it will say why."""
    try:
        with_await = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | ast.PyCF_ONLY_AST
        tree = compile(code, "<code>", "exec", with_await, dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return code
    last = tree.body[-1] if isinstance(tree, ast.Module) and tree.body else None
    if not isinstance(last, ast.Expr) or last.end_lineno is None or last.end_col_offset is None:
        return code
    lines = code.encode().split(b"\n")
    end = lines[last.end_lineno - 1]
    lines[last.end_lineno - 1] = end[: last.end_col_offset] + b")" + end[last.end_col_offset :]
    begin = lines[last.lineno - 1]
    named = f"{name} = (".encode()
    lines[last.lineno - 1] = begin[: last.col_offset] + named + begin[last.col_offset :]
    return b"\n".join(lines).decode()
