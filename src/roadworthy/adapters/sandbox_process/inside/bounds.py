"""What one run may use, as `SandboxLimits` says it."""

from __future__ import annotations


class Bounds:
    def __init__(self, fields: dict[str, bytes]) -> None:
        self.seconds = float(fields["seconds"])
        self.cpu_seconds = float(fields["cpu_seconds"])
        self.memory_bytes = int(fields["memory_bytes"])
        self.disk_bytes = int(fields["disk_bytes"])
        self.output_bytes = int(fields["output_bytes"])
        self.processes = int(fields["processes"])
