"""The provider as a process of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

QUESTION = {"model": "sim", "messages": [{"role": "user", "content": "hi"}]}
COMMAND = [sys.executable, "-m", "roadworthy.testing.simulated_provider"]


@contextmanager
def running(*flags: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    process = subprocess.Popen([*COMMAND, *flags], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("simulated provider on http://127.0.0.1:")
        yield process, line.split()[-1]
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_runs_on_uvloop_until_a_signal(tmp_path: Path, stop: signal.Signals) -> None:
    script = tmp_path / "script.json"
    script.write_text(json.dumps({"sim": ["from the script"]}))
    with running("--script", str(script), "--fail", "429@2", "--fail", "refused@3", "--latency", "1ms") as (
        process,
        url,
    ):
        with httpx2.Client(base_url=url, timeout=20) as client:
            first = client.post("/v1/chat/completions", json=QUESTION).json()
            assert first["choices"][0]["message"]["content"] == "from the script"
            assert client.post("/v1/chat/completions", json=QUESTION).status_code == 429
            with pytest.raises(httpx2.TransportError):
                client.post("/v1/chat/completions", json=QUESTION)
            client.post("/control", json={"hold": True})
            with client.stream("GET", "/requests") as requests:
                assert len(json.loads(requests.read())) == 3
            taken = subprocess.run([*COMMAND, "--port", url.rsplit(":")[-1]], capture_output=True, text=True)
            assert (taken.returncode, "taken" in taken.stderr, taken.stdout) == (2, True, "")
        process.send_signal(stop)
        assert process.wait(20) == 0


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--fail", "boom"], "unknown fault 'boom'"),
        (["--latency", "soon"], "'soon' is not a duration"),
        (["--script", "/no/such/file"], "cannot read the script"),
        (["--tokens", "-1"], "tokens must be"),
        (["--port", "x"], "invalid int value"),
    ],
)
def test_wrong_flags_are_named(flags: list[str], says: str) -> None:
    refused = subprocess.run([*COMMAND, *flags], capture_output=True, text=True)
    assert refused.returncode == 2
    assert says in refused.stderr
    assert "Traceback" not in refused.stderr


def test_help_tells_about_faults_models_and_scripts() -> None:
    shown = subprocess.run([*COMMAND, "--help"], capture_output=True, text=True, check=True).stdout
    for word in ("--fail", "error-event", "tools<N>", "parallel tool calls"):
        assert word in shown
