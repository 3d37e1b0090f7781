"""Runs the code, in the process that was confined for it."""

from __future__ import annotations

import _ast
import builtins
import os
import sys
import types

FINISHED, RAISED, REFUSED, OUT_OF_MEMORY = b"f", b"r", b"p", b"m"
"""How it ended: the first byte of the report. A result or an error in words may follow."""
NAME = "<code>"
_TREE_ONLY = 0x400


def run_code(code: str, folder: str, report: int, most_characters: int) -> None:
    """Reports to the open file `report`, and never returns."""
    sys.argv = ["code"]
    sys.path.insert(0, folder)
    sys.dont_write_bytecode = True
    # Its own module: code that defines classes or reads `__main__` finds itself there.
    module = types.ModuleType("__main__")
    module.__dict__["__builtins__"] = builtins
    sys.modules["__main__"] = module
    said = _outcome(code, module.__dict__, most_characters)
    _await_threads()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:  # noqa: S112 it may have put anything there
            continue
    os.write(report, said)
    os._exit(0)


def _outcome(code: str, names: dict[str, object], most_characters: int) -> bytes:
    try:
        shown = _run(code, names)
    except SystemExit as ended:
        if ended.code in (None, 0):
            return FINISHED
        return RAISED + _bytes(f"SystemExit: {ended.code}"[:most_characters])
    except MemoryError as error:
        # A traceback would need memory that is not there.
        error.__traceback__ = None
        names.clear()
        return OUT_OF_MEMORY
    except BaseException as error:
        kind = REFUSED if isinstance(error, PermissionError) else RAISED
        return kind + _bytes(_told(error, code)[-most_characters:])
    return FINISHED if shown is None else FINISHED + b"=" + _bytes(shown[:most_characters])


def _run(code: str, names: dict[str, object]) -> str | None:
    tree = compile(code, NAME, "exec", _TREE_ONLY, dont_inherit=True)
    assert isinstance(tree, _ast.Module)  # noqa: S101 so the flag says
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], _ast.Expr) else None
    exec(compile(tree, NAME, "exec", dont_inherit=True), names)  # noqa: S102 it is what this process is for
    if not isinstance(last, _ast.Expr):
        return None
    value: object = eval(compile(_ast.Expression(last.value), NAME, "eval", dont_inherit=True), names)  # noqa: S307
    return None if value is None else repr(value)


def _told(error: BaseException, code: str) -> str:
    """As Python tells it, from the code's own first line on."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != NAME:
        trace = trace.tb_next
    try:
        # Only now: most runs need no traceback.
        import linecache
        import traceback

        linecache.cache[NAME] = (len(code), None, code.splitlines(keepends=True), NAME)
        return "".join(traceback.format_exception(type(error), error, trace))
    except Exception:
        return type(error).__name__


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")


def _await_threads() -> None:
    threading = sys.modules.get("threading")
    if threading is None:
        return
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
