"""Run a simulated provider: `python -m roadworthy.testing.simulated_provider --help`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import orjson

from roadworthy.testing.simulated_provider import model_name, script
from roadworthy.testing.simulated_provider.errors import InvalidSetting, SimulatedProviderError
from roadworthy.testing.simulated_provider.faults import NAMED_FAULTS, parse_faults
from roadworthy.testing.simulated_provider.latency import parse_latency
from roadworthy.testing.simulated_provider.script import Script, parse_script
from roadworthy.testing.simulated_provider.server import run
from roadworthy.testing.simulated_provider.settings import ProviderSettings


def read_script(path: Path) -> Script:
    """The script in a JSON file. Raises InvalidSetting."""
    try:
        return parse_script(orjson.loads(path.read_bytes()))
    except OSError as error:
        raise InvalidSetting(f"cannot read the script {path}: {error.strerror}") from None
    except orjson.JSONDecodeError as error:
        raise InvalidSetting(f"the script {path} is not JSON: {error}") from None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until SIGINT or SIGTERM; returns the exit code, 2 when a flag is wrong or the port is taken."""
    flags = _parser().parse_args(arguments)
    try:
        settings = ProviderSettings(
            seed=flags.seed,
            latency=parse_latency(flags.latency),
            tokens_per_second=flags.tokens_per_second,
            tokens=flags.tokens,
            stamp_tokens=flags.stamp_tokens,
            text_by=flags.text_by,
            script=Script() if flags.script is None else read_script(flags.script),
            faults=parse_faults(flags.fail),
            retry_after_seconds=flags.retry_after,
            hang_seconds=flags.hang_seconds,
        )
        run(settings, flags.port, flags.host)
    except SimulatedProviderError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    named = "\n".join(f"  {kind:12} {what}" for kind, what in NAMED_FAULTS.items())
    parser = argparse.ArgumentParser(
        prog="python -m roadworthy.testing.simulated_provider",
        description="A provider on loopback that speaks the OpenAI and the Anthropic wire.",
        epilog=f"faults:\n  400 to 599   that HTTP status\n{named}\n\nmodels:\n{model_name.__doc__}\n"
        f"scripts:\n{script.__doc__}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--port", type=int, default=0, help="port to listen on (default: any free one)")
    add("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    add("--latency", default="0ms", help="before the first token: 200ms, or lognormal:median=400ms,sigma=0.6")
    add("--tokens-per-second", type=float, default=0.0, help="speed after that; 0 sends all at once (default)")
    add("--tokens", type=int, default=20, help="length of generated answers (default: %(default)s)")
    add("--stamp-tokens", action="store_true", help="each token is @<CLOCK_MONOTONIC in microseconds>@")
    add("--text-by", choices=("conversation", "request"), default="conversation", help="what the text depends on")
    add("--seed", type=int, default=0, help="what everything drawn depends on (default: %(default)s)")
    add("--script", type=Path, help="JSON file with the replies")
    add("--fail", action="append", default=[], metavar="KIND[:P][@N][/MODEL]", help="as 429:0.1 or cut@2; repeatable")
    add("--retry-after", type=float, default=1.0, help="seconds, sent with 429, 503 and 529 (default: %(default)s)")
    add("--hang-seconds", type=float, default=60.0, help="how long `hang` lasts (default: %(default)s)")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
