"""The version matrix: the oldest and the newest Ray and wandb that this library supports, on each Python.

    pip install nox uv
    nox                                       # every pair on every Python that is here
    nox -s "tests-3.11(oldest)"               # one of them
    nox -s "tests-3.10(newest)" -- -k settings
    nox -s compatibility                      # releases in between, for docs/compatibility.md
    nox -s types                              # the mypy plugin with the oldest and the newest mypy
    nox -s docs                               # builds the site into site/
    nox -s package                            # builds sdist and wheel, checks them, and runs what is in them

The oldest versions are the lower bounds in pyproject.toml, and nowhere else. Without network: ``UV_OFFLINE=1`` takes
everything from uv's cache.
"""

import re
import runpy
import shutil
import sys
import tarfile
import tempfile
from pathlib import Path

import nox

PROJECT = nox.project.load_toml("pyproject.toml")["project"]
OLDEST = [bound.replace(">=", "==") for bound in PROJECT["dependencies"] if ">=" in bound]
OLDEST += ["pydantic<2.10"]  # newer ones need a newer typing-extensions: pip would try them one by one
CHECKERS = ["mypy", "pyright[nodejs]"]
COMPATIBILITY = runpy.run_path("tests/compatibility.py")
TOOLS = COMPATIBILITY["TOOLS"]
OLDEST_MYPY = "1.15"
PYTHONS = ["3.10", "3.11", "3.12", "3.13", "3.14"]
# What these tests say, they say of the newest versions: of type checkers, of the documents, and of a W&B server; or of
# no version: which values and settings are redacted or refused.
OF_THE_NEWEST = [
    *("test_typing.py", "test_mypy_plugin.py", "test_stubs.py", "test_mistakes.py"),
    *("test_docs.py", "test_tutorial.py", "test_notebooks.py", "cli/test_docs.py"),
    *("test_examples.py", "test_benchmarks.py"),
    *("test_wandb_server.py", "test_hostile_entries.py", "test_redaction_options.py"),
]
# With the oldest versions, beside the unit tests: those of docs/compatibility.md.
OF_THE_OLDEST = [test for check in COMPATIBILITY["CHECKS"].values() for test in check]

# Of the sdist, in a minute: what reads the repository's own files, and what opens runs in another process.
OF_THE_SDIST = ["tests/test_packaging.py", "tests/test_import.py", "tests/test_settings.py", "tests/test_recorder.py"]

# As pip does by itself: Ray starts some hundreds of processes, and where no bytecode is written each compiles anew.
COMPILE = {"UV_COMPILE_BYTECODE": "1"}

nox.options.sessions = ["tests"]
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.error_on_missing_interpreters = False


@nox.session(python=PYTHONS)
@nox.parametrize("versions", ["oldest", "newest"], ids=["oldest", "newest"])
def tests(session: nox.Session, versions: str) -> None:
    """The tests, with the oldest or the newest versions of all dependencies."""
    if versions == "oldest" and session.python in ("3.13", "3.14"):
        session.skip("the oldest Ray has no wheels for it")
    session.install("-e", ".", *TOOLS, *(OLDEST if versions == "oldest" else ["--upgrade"]), env=COMPILE)
    session.run("python", "-c", "import ray, wandb; print('ray', ray.__version__, 'wandb', wandb.__version__)")
    ignored = [f"--ignore=tests/{name}" for name in OF_THE_NEWEST]
    selections = [["-m", "unit", *ignored], OF_THE_OLDEST] if versions == "oldest" else [ignored]
    for selected in selections:
        session.run("python", "-m", "pytest", "-q", *selected, *session.posargs)


@nox.session(python=False)
def compatibility(session: nox.Session) -> None:
    """Measure releases in between, and write docs/compatibility.md: ``-- --only ray-2.43`` for some of them."""
    session.run(sys.executable, "-m", "tests.compatibility", ".nox/compatibility", *session.posargs)


@nox.session(python="3.11")
@nox.parametrize("mypy", [f"mypy=={OLDEST_MYPY}.*", "mypy"], ids=["oldest", "newest"])
def types(session: nox.Session, mypy: str) -> None:
    """The mypy plugin with the oldest and the newest mypy."""
    session.install("-e", ".", *TOOLS, *[tool for tool in CHECKERS if tool != "mypy"], mypy, env=COMPILE)
    session.run("python", "-m", "pytest", "-q", "tests/test_mypy_plugin.py", *session.posargs)


@nox.session(python="3.11")
def docs(session: nox.Session) -> None:
    """Build the site into site/; a warning is an error. ``-- serve`` shows it while you write."""
    session.install("-e", ".[docs]", env=COMPILE)
    command = session.posargs or ["build"]
    session.run("mkdocs", *command, "--strict", env={"NO_MKDOCS_2_WARNING": "1"})


@nox.session
def build(session: nox.Session) -> None:
    """Build the sdist and, from it, the wheel into dist/, and check what is in them."""
    session.install("build", "check-wheel-contents", "twine")
    shutil.rmtree("dist", ignore_errors=True)
    session.run("python", "-m", "build", "--outdir", "dist")
    built = sorted(map(str, Path("dist").iterdir()))
    session.run("python", "-m", "twine", "check", "--strict", *built)
    session.run("python", "-m", "check_wheel_contents", *[name for name in built if name.endswith(".whl")])


@nox.session(requires=["build"])
def package(session: nox.Session) -> None:
    """Run the README's first program from the wheel alone, and tests from the unpacked sdist."""
    (wheel,), (sdist,) = Path("dist").absolute().glob("*.whl"), Path("dist").absolute().glob("*.tar.gz")
    first_program = re.findall(r"^```python\n(.*?)^```", Path("README.md").read_text(), re.MULTILINE | re.DOTALL)[0]
    session.install(str(wheel), env=COMPILE)
    # Not session.create_tmp(): Ray refuses a temporary folder inside a virtual environment.
    with tempfile.TemporaryDirectory() as folder, tarfile.open(sdist) as archive:
        with session.chdir(folder):
            session.run("python", "-I", "-c", first_program)
        assert not [member.name for member in archive if member.issym() or member.islnk()], "links in the sdist"
        archive.extractall(folder, filter="data")
        session.install(*TOOLS, env=COMPILE)
        with session.chdir(Path(folder, Path(sdist).name.removesuffix(".tar.gz"))):
            session.run("python", "-m", "pytest", "-q", *(session.posargs or OF_THE_SDIST))
