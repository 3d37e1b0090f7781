"""Many simulated processes in one event loop whose clock jumps: the same seed gives the same run, step by step."""

from roadworthy.testing.virtual_time.loop import VirtualTimeLoop
from roadworthy.testing.virtual_time.patched import virtual_time
from roadworthy.testing.virtual_time.process import SimulatedProcess, current_process

__all__ = ["SimulatedProcess", "VirtualTimeLoop", "current_process", "virtual_time"]
