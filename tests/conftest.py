"""What all tests share: a wandb that knows nothing of this machine, and a small Ray."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import HealthCheck, settings

from typed_tune_wandb._service import teardown
from typed_tune_wandb._wandb_internals import forget_service

if TYPE_CHECKING:
    from typed_tune_wandb.recording.client import Recorder

pytest_plugins = ["tests.wandb_server.fixture"]

# A busy machine makes no example wrong. `-m unit`, which is run after each change, tries fewer of them.
settings.register_profile("tests", max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("unit", settings.get_profile("tests"), max_examples=10)

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

# A test's tier is its own mark; else what its fixtures need; else that of its module; else `unit`.
TIERS: Final = ("unit", "process", "ray", "online")
FIXTURE_TIERS: Final = {"wandb_server": "online", "small_ray": "ray", "recorder": "process"}  # the first one counts
MODULE_TIERS: Final = {
    "experiment/test_sync.py": "online",
    "cli/test_commands.py": "process",
    "cli/test_docs.py": "online",
    "cli/test_doctor.py": "online",
    "cli/test_report.py": "process",
    "recording/test_border.py": "process",
    "recording/test_restore.py": "process",
    "recording/test_run_file.py": "process",
    "recording/test_surroundings.py": "process",
    "test_credentials.py": "process",
    "test_import.py": "process",
    "test_installed_wandb.py": "process",
    "test_mistakes.py": "process",
    "test_mypy_plugin.py": "process",
    "test_recorder.py": "process",
    "test_stubs.py": "process",
    "test_typing.py": "process",
    "test_versions.py": "process",
    "test_wandb_internals.py": "process",
    "test_before_the_first_trial.py": "ray",
    "test_best.py": "ray",
    "test_overview.py": "ray",
    "test_benchmarks.py": "ray",
    "test_checkpoints.py": "ray",
    "test_console.py": "ray",
    "test_cluster.py": "ray",
    "test_docs.py": "ray",
    "test_ends.py": "ray",
    "test_examples.py": "ray",
    "test_hooks.py": "ray",
    "test_hostile_entries.py": "ray",
    "test_legacy.py": "ray",
    "test_logger.py": "ray",
    "test_logger_options.py": "ray",
    "test_own_config.py": "ray",
    "test_names.py": "ray",
    "test_notebooks.py": "ray",
    "test_parity.py": "ray",
    "test_ray_client.py": "ray",
    "test_redaction_options.py": "ray",
    "test_run_ids.py": "ray",
    "test_saved_code.py": "ray",
    "test_search_space.py": "ray",
    "test_sweep_config.py": "ray",
    "test_train_workers.py": "ray",
    "test_trainable.py": "ray",
    "test_trial_examples.py": "ray",
    "test_faults.py": "online",
    "test_launch.py": "online",
    "test_online.py": "online",
    "test_secrecy.py": "online",
    "test_sweep.py": "online",
    "test_trainable_online.py": "online",
    "test_tutorial.py": "online",
    "test_wandb_server.py": "online",
}
_TESTS: Final = Path(__file__).parent


def pytest_configure(config: pytest.Config) -> None:
    settings.load_profile("unit" if config.option.markexpr == "unit" else "tests")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not import modules without a unit test for ``-m unit``: importing Ray takes seconds."""
    other = collection_path.is_relative_to(_TESTS) and str(collection_path.relative_to(_TESTS)) in MODULE_TIERS
    return True if other and config.option.markexpr == "unit" else None


@pytest.hookimpl(tryfirst=True)  # before -m selects
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with its tier."""
    for item in items:
        if not any(item.get_closest_marker(tier) for tier in TIERS):
            fixtures = getattr(item, "fixturenames", ())
            module = MODULE_TIERS.get(str(item.path.relative_to(_TESTS)), "unit")
            item.add_marker(next((tier for name, tier in FIXTURE_TIERS.items() if name in fixtures), module))


@pytest.fixture(autouse=True)
def _no_process_in_a_unit_test(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    start = subprocess.Popen.__init__

    def refuse(self: Any, args: Any, *more: Any, **options: Any) -> None:
        if args[0] == "git":  # wandb.Settings asks it for the repository's folder
            return start(self, args, *more, **options)
        pytest.fail(f"a unit test starts a process: mark it with pytest.mark.process, ray or online. {args}")

    if request.node.get_closest_marker("unit"):
        monkeypatch.setattr(subprocess.Popen, "__init__", refuse)


@pytest.fixture(autouse=True)
def _own_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever writes into the current folder writes into a test's own; what a hook has set elsewhere is gone."""
    monkeypatch.chdir(tmp_path_factory.mktemp("cwd"))
    for name in ("WANDB_PROJECT_NAME", "WANDB_GROUP_NAME"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True, scope="module")
def _no_service_of_another_module() -> None:
    """A wandb-core that another module's tests have killed is not waited for, nor inherited by processes."""
    teardown()
    forget_service()


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """A recorder that is closed whatever happens."""
    from typed_tune_wandb.recording.client import Recorder

    recorder = Recorder()
    yield recorder
    recorder.close(timeout=30)


@pytest.fixture(scope="module")
def small_ray() -> Iterator[None]:
    """A Ray of this test module's own, shut down again."""
    import ray
    import wandb

    wandb.teardown()  # Ray's workers would inherit the address of this process's wandb service
    # Nor is coverage measured in them: starting hundreds of processes takes half as long again with it.
    measured = os.environ.pop("COVERAGE_PROCESS_CONFIG", None)
    ray.init(
        address="local",
        num_cpus=4,
        include_dashboard=False,
        object_store_memory=100_000_000,
        log_to_driver=False,
    )
    if measured is not None:
        os.environ["COVERAGE_PROCESS_CONFIG"] = measured
    yield
    ray.shutdown()
