"""Real processes over real servers; each test has a database, a provider and processes of its own."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import certifi
import psutil
import pytest

from roadworthy.testing.simulated_provider import ProviderSettings, SimulatedProvider, start

from . import processes
from .deployment import SHORT_LEASE, TARGET, Deployment
from .effect_deployment import effects  # noqa: F401
from .processes import Launcher
from .servers import Servers
from .supervision import SMALL, Supervision


@pytest.fixture(scope="session", autouse=True)
def few_certificates(tmp_path_factory: pytest.TempPathFactory) -> None:
    """All of them take each process a tenth of a second to load and are of no use on plain HTTP."""
    first, end, _ = Path(certifi.where()).read_text().partition("-----END CERTIFICATE-----\n")
    file = tmp_path_factory.mktemp("certificates") / "one.pem"
    file.write_text(first + end)
    processes.PASSED_ON["SSL_CERT_FILE"] = str(file)


@pytest.fixture(autouse=True)
def no_process_is_left(launcher: Launcher, servers: Servers) -> Iterator[None]:
    """Fails a test that leaves processes behind, and ends them."""
    yield
    left = [child for child in psutil.Process(launcher.pid).children() if child.status() != psutil.STATUS_ZOMBIE]
    own = [child for child in psutil.Process().children() if "roadworthy" in " ".join(_command_of(child))]
    for child in left + own:
        child.kill()
    assert not left + own


def _command_of(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()[:3]
    except psutil.Error:
        return []


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where processes run; short, because it holds sockets."""
    folder = Path(tempfile.mkdtemp(prefix="accept-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
async def provider() -> AsyncIterator[SimulatedProvider]:
    provider = await start(ProviderSettings())
    yield provider
    await provider.stop()


@pytest.fixture
async def bare_deployment(
    request: pytest.FixtureRequest, launcher: Launcher, servers: Servers, folder: Path, provider: SimulatedProvider
) -> AsyncIterator[Deployment]:
    """No processes yet."""
    database_url = await servers.new_database()
    deployment = Deployment(launcher, servers, folder, database_url, provider)
    await deployment.open()
    try:
        yield deployment
    finally:
        try:
            await deployment.close()
        finally:
            for process in deployment.processes:
                request.node.add_report_section("teardown", process.name, "\n".join(process.output + process.errors))
            await servers.bring_back("postgres")
            await servers.bring_back("valkey")
            await servers.drop_database(deployment.database_url)


@pytest.fixture
async def deployment(bare_deployment: Deployment) -> Deployment:
    """An API server and upkeep; workers are started by the tests."""
    api = await bare_deployment.start("api", TARGET, "--port", "0")
    await bare_deployment.start_upkeep(lease_seconds=SHORT_LEASE)
    await bare_deployment.api_of(api)
    return bare_deployment


@pytest.fixture
async def served(bare_deployment: Deployment) -> Deployment:
    """API, worker and upkeep in one process: `roadworthy serve` over stores that others share."""
    await bare_deployment.start_api(command="serve")
    return bare_deployment


@pytest.fixture
async def supervision(bare_deployment: Deployment, unused_tcp_port: int) -> Supervision:
    """An API server and upkeep; supervisors are started by the tests."""
    api = await bare_deployment.start("api", SMALL, "--port", "0")
    await bare_deployment.start_upkeep(lease_seconds=SHORT_LEASE)
    await bare_deployment.api_of(api)
    return Supervision(bare_deployment, unused_tcp_port)
