"""What all tests share: a wandb that knows nothing of this machine, and a small Ray."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator

import pytest

pytest_plugins = ["tests.wandb_server.fixture"]

# Ray's workers inherit the environment of the process that starts Ray: so it is set before any test runs.
_HOME = tempfile.mkdtemp(prefix="typed-tune-wandb-tests-")
for _name in [name for name in os.environ if name.startswith("WANDB_")]:
    del os.environ[_name]
os.environ.update(
    WANDB_ERROR_REPORTING="false",
    WANDB_SILENT="true",
    WANDB_CONFIG_DIR=f"{_HOME}/config",
    WANDB_CACHE_DIR=f"{_HOME}/cache",
    WANDB_DATA_DIR=f"{_HOME}/data",
    NETRC=f"{_HOME}/netrc",
    RAY_ADDRESS="local",  # a plain ray.init() would join the cluster of another test
    RAY_AIR_NEW_OUTPUT="0",
    RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO="0",
    RAY_USAGE_STATS_ENABLED="0",
)


@pytest.fixture(autouse=True)
def _own_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever writes into the current folder writes into a test's own; what a hook has set elsewhere is gone."""
    monkeypatch.chdir(tmp_path_factory.mktemp("cwd"))
    for name in ("WANDB_PROJECT_NAME", "WANDB_GROUP_NAME"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def small_ray() -> Iterator[None]:
    """A Ray of this test module's own, shut down again."""
    import ray

    ray.init(
        address="local",
        num_cpus=4,
        include_dashboard=False,
        object_store_memory=100_000_000,
        log_to_driver=False,
    )
    yield
    ray.shutdown()
