"""The version matrix: the oldest and the newest Ray and wandb that this library supports, on each Python.

    pip install nox uv
    nox                                       # every pair on every Python that is here
    nox -s "tests-3.11(oldest)"               # one of them
    nox -s "tests-3.10(newest)" -- -k settings
    nox -s types                              # the mypy plugin with the oldest and the newest mypy

The oldest versions are the lower bounds in pyproject.toml, and nowhere else. Without network: ``UV_OFFLINE=1`` takes
everything from uv's cache.
"""

import nox

PROJECT = nox.project.load_toml("pyproject.toml")["project"]
OLDEST = [bound.replace(">=", "==") for bound in PROJECT["dependencies"] if ">=" in bound]
CHECKERS = ["mypy", "pyright[nodejs]"]
TOOLS = [tool for tool in PROJECT["optional-dependencies"]["dev"] if tool not in (*CHECKERS, "nox", "ruff")]
OLDEST_MYPY = "1.15"
PYTHONS = ["3.10", "3.11", "3.12", "3.13"]
# What these tests say, they say of the newest versions: of type checkers, of the documents, and of a W&B server.
OF_THE_NEWEST = [
    *("test_typing.py", "test_mypy_plugin.py", "test_stubs.py", "test_mistakes.py"),
    *("test_docs.py", "test_examples.py", "test_benchmarks.py"),
    "test_wandb_server.py",
]

# As pip does by itself: Ray starts some hundreds of processes, and where no bytecode is written each compiles anew.
COMPILE = {"UV_COMPILE_BYTECODE": "1"}

nox.options.default_venv_backend = "uv|virtualenv"
nox.options.error_on_missing_interpreters = False


@nox.session(python=PYTHONS)
@nox.parametrize("versions", ["oldest", "newest"], ids=["oldest", "newest"])
def tests(session: nox.Session, versions: str) -> None:
    """The tests, with the oldest or the newest versions of all dependencies."""
    session.install("-e", ".", *TOOLS, *(OLDEST if versions == "oldest" else ["--upgrade"]), env=COMPILE)
    session.run("python", "-c", "import ray, wandb; print('ray', ray.__version__, 'wandb', wandb.__version__)")
    ignored = [f"--ignore=tests/{name}" for name in OF_THE_NEWEST]
    session.run("python", "-m", "pytest", "-q", *ignored, *session.posargs)


@nox.session(python="3.11")
@nox.parametrize("mypy", [f"mypy=={OLDEST_MYPY}.*", "mypy"], ids=["oldest", "newest"])
def types(session: nox.Session, mypy: str) -> None:
    """The mypy plugin with the oldest and the newest mypy."""
    session.install("-e", ".", *TOOLS, *[tool for tool in CHECKERS if tool != "mypy"], mypy, env=COMPILE)
    session.run("python", "-m", "pytest", "-q", "tests/test_mypy_plugin.py", *session.posargs)
