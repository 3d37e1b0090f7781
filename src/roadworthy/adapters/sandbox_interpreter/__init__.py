"""A sandbox for small Python: an interpreter that has nothing to escape to (`pydantic-monty`)."""

from roadworthy.adapters.sandbox_interpreter.sandbox import InterpreterSandbox

__all__ = ["InterpreterSandbox"]
