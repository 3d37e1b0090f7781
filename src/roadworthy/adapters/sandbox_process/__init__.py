"""A sandbox for all of Python: a process of its own under Landlock and seccomp. Linux, no privileges needed."""

from roadworthy.adapters.sandbox_process.sandbox import ProcessSandbox

__all__ = ["ProcessSandbox"]
