"""A provider on loopback that speaks the OpenAI and the Anthropic wire, for tests, benchmarks and demonstrations.

The real provider clients talk to it over real HTTP. It is deterministic for a seed, fails on request, and tells what it
was asked. `start` runs it in the event loop, `run` in a process of its own.

What it says is decided in this order: a script (see `script`), the model's name (see `model_name`), the settings. Paths
of the server are listed in `routes`, faults in `faults`.
"""

from roadworthy.testing.simulated_provider.errors import InvalidSetting, PortTaken, SimulatedProviderError
from roadworthy.testing.simulated_provider.faults import Fault, parse_faults
from roadworthy.testing.simulated_provider.latency import Latency, parse_latency
from roadworthy.testing.simulated_provider.script import Reply, Rule, Script, ScriptedCall, parse_script
from roadworthy.testing.simulated_provider.server import SimulatedProvider, run, start
from roadworthy.testing.simulated_provider.settings import ProviderSettings
from roadworthy.testing.simulated_provider.statistics import RequestRecord

__all__ = [
    "Fault",
    "InvalidSetting",
    "Latency",
    "PortTaken",
    "ProviderSettings",
    "Reply",
    "RequestRecord",
    "Rule",
    "Script",
    "ScriptedCall",
    "SimulatedProvider",
    "SimulatedProviderError",
    "parse_faults",
    "parse_latency",
    "parse_script",
    "run",
    "start",
]
