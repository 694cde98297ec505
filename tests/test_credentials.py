"""Whether a key is needed, where it comes from, the message for one that is of no use, and that it never shows."""

from __future__ import annotations

import copy
import json
import logging
import os
import pickle
import pprint
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import attrs
import pytest
import wandb

from tests.support.byte_search import search
from typed_tune_wandb._logging import PROCESS_LOG
from typed_tune_wandb._secret import Secret
from typed_tune_wandb.credentials import Credential, resolve_api_key
from typed_tune_wandb.errors import WandbSettingsError
from typed_tune_wandb.settings import WandbSettings, effective_mode

cloudpickle: Any = import_module("ray.cloudpickle")  # no type checker knows it
KEY = "0123456789abcdef0123456789abcdef01234567"
HOST = {"base_url": "http://127.0.0.1:9"}


@pytest.fixture(autouse=True)
def _nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No key anywhere, and nothing logged yet."""
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_SETUP_API_KEY_HOOK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    PROCESS_LOG.reset()


@pytest.fixture(scope="module", autouse=True)
def _no_wandb_core_is_left() -> Iterator[None]:
    yield
    wandb.teardown()


def online(**words: object) -> Credential:
    """How a run online, on a server of its own, logs in."""
    return resolve_api_key(WandbSettings.from_dict({"mode": "online", "settings": HOST, **words}))


def refusal(**words: object) -> str:
    """The message for credentials that are of no use."""
    with pytest.raises(WandbSettingsError) as caught:
        online(**words)
    return str(caught.value)


def key_file(path: Path, content: str | bytes = KEY, mode: int = 0o600) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(mode)
    return path


class Hook:
    """What a hook returns; a test sets it."""

    returns: object = None


def hook() -> object:
    if isinstance(Hook.returns, Exception):
        raise Hook.returns
    return Hook.returns


@pytest.fixture
def hook_returns(monkeypatch: pytest.MonkeyPatch) -> Callable[[object], None]:
    monkeypatch.setenv("WANDB_SETUP_API_KEY_HOOK", f"{__name__}.hook")
    return lambda value: monkeypatch.setattr(Hook, "returns", value)


class TestWhetherOneIsNeeded:
    def test_wandb_offline(self, tmp_path: Path) -> None:
        """The mode that the command `wandb offline` has set counts like the field and the variable."""
        environment = {**os.environ, "HOME": str(tmp_path), "WANDB_CONFIG_DIR": str(tmp_path / "config")}
        root = str(Path(__file__).parent.parent)
        script = (
            "import wandb\n"
            "from typed_tune_wandb.credentials import resolve_api_key\n"
            "from typed_tune_wandb.settings import WandbSettings, effective_mode\n"
            "for settings in (None, wandb.Settings(x_disable_stats=True)):\n"
            "    said = WandbSettings(project='p', settings=settings)\n"
            "    print(effective_mode(said), resolve_api_key(said).explicit_key)\n"
        )
        subprocess.run(
            [sys.executable, "-m", "wandb", "offline"], cwd=tmp_path, env=environment, check=True, timeout=60
        )
        done = subprocess.run(
            [sys.executable, "-c", script],
            cwd=tmp_path,
            env={**environment, "PYTHONPATH": root},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert "offline None\n" * 2 == done.stdout, done.stderr

    @pytest.mark.parametrize("mode", ["offline", "disabled", "dryrun"])
    def test_variable(self, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """However the mode was set: here by the variable."""
        monkeypatch.setenv("WANDB_MODE", mode)
        assert resolve_api_key(WandbSettings(project="p")).explicit_key is None

    @pytest.mark.parametrize("settings", [{"mode": "offline"}, wandb.Settings(mode="offline")])
    def test_inner_settings(self, settings: object, monkeypatch: pytest.MonkeyPatch) -> None:
        """A mode inside ``settings`` counts over the variable, whether they are a dict or ``wandb.Settings``."""
        monkeypatch.setenv("WANDB_MODE", "online")
        assert "offline" == effective_mode(WandbSettings.from_dict({"settings": settings}))
        assert "online" == effective_mode(WandbSettings(settings=wandb.Settings(x_disable_stats=True)))

    def test_a_key_is_not_looked_at_offline(self) -> None:
        """Neither a broken one nor a missing file matters there, and none is handed to wandb."""
        for words in ({"api_key": "no key at all "}, {"api_key_file": "no/such/file"}):
            found = resolve_api_key(WandbSettings.from_dict({"mode": "offline", **words}))
            assert Credential(None, "none is needed offline") == found


class TestOrder:
    def test_in_order(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hook_returns: Callable[[object], None]
    ) -> None:
        """The hook, then the login, then the variable, then the field or file: each counts over those before."""
        keys = [f"{n}" * 40 for n in range(5)]

        def found(**words: object) -> tuple[str | None, ...]:
            """What wandb gets, what another process gets, and the source."""
            credential = online(**words)
            keys = [secret.reveal() if secret else None for secret in (credential.explicit_key, credential.secret)]
            return (*keys, credential.source)

        hook_returns(f" {keys[0]}\n")
        assert (keys[0], keys[0], "the hook WANDB_SETUP_API_KEY_HOOK") == found()
        (tmp_path / "netrc").write_text(f"machine 127.0.0.1:9 login user password {keys[1]}\n")
        assert (None, keys[1], f"`wandb login` ({tmp_path / 'netrc'})") == found()
        monkeypatch.setenv("WANDB_API_KEY", keys[2])
        assert (None, keys[2], "the variable WANDB_API_KEY") == found()
        path = key_file(tmp_path / "key", keys[3])
        assert (keys[3], keys[3], f"the file {path}") == found(api_key_file=path)
        assert (keys[4], keys[4], "the field api_key") == found(api_key=keys[4])

    def test_wandbs_own_settings(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A login of this process counts on its own server alone."""
        known = wandb.setup().settings
        monkeypatch.setattr(known, "api_key", KEY)
        found = resolve_api_key(WandbSettings(mode="online"))
        assert ("wandb's settings", Secret(KEY)) == (found.source, found.secret)
        assert "no W&B API key found" in refusal()

    def test_a_login_on_another_server_is_none(self, tmp_path: Path) -> None:
        """Netrc names hosts with their ports."""
        (tmp_path / "netrc").write_text(f"machine 127.0.0.1:10 login user password {KEY}\n")
        assert "no W&B API key found" in refusal()

    def test_nowhere(self) -> None:
        """The error names every source, and how to do without."""
        text = refusal()
        places = ["api_key", "api_key_file", "WANDB_API_KEY", "wandb login", "WANDB_SETUP_API_KEY_HOOK", "offline"]
        assert [] == [place for place in places if place not in text]

    def test_a_key_that_went_with_its_session(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """In a restored experiment it is a reference that leads nowhere: the next source counts, or it is reported."""
        lost = Secret.of_reference("0" * 32)
        assert "given in another session" in refusal(api_key=lost)
        assert "WANDB_API_KEY" in refusal(api_key=lost)
        monkeypatch.setenv("WANDB_API_KEY", KEY)
        assert "the variable WANDB_API_KEY" == online(api_key=lost).source

    def test_the_source_is_logged_once(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        """At INFO, for each source; the key never."""
        path = key_file(tmp_path / "key")
        with caplog.at_level(logging.INFO):
            shown = [repr(online(**words)) for words in ({"api_key_file": path}, {"api_key": KEY}) * 3]
        told = [(record.levelname, record.getMessage()) for record in caplog.records]
        said = [f"The W&B API key comes from the {source}." for source in (f"file {path}", "field api_key")]
        assert [("INFO", text) for text in said] == told
        assert set() == search("".join([caplog.text, *shown]).encode(), {"key": KEY})


class TestKeyFile:
    @pytest.mark.parametrize("content", [KEY, f"{KEY}\n", f"\n  {KEY}\t\r\n\n", f"\ufeff{KEY}"])
    def test_one_line(self, content: str, tmp_path: Path) -> None:
        """White space around the key, and what editors add, is none of it."""
        assert Secret(KEY) == online(api_key_file=key_file(tmp_path / "key", content)).explicit_key

    def test_relative_paths_and_tilde(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """They are this process': its folder and its user's home. The source is named in full."""
        path = key_file(tmp_path / "key")
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("HOME", str(tmp_path))
        for name in ("key", "./key", "~/key", Path("key")):
            assert (Secret(KEY), f"the file {path}") == attrs.astuple(online(api_key_file=name))[:2]

    @pytest.mark.parametrize(
        ("content", "says"),
        [
            (None, "there is no file"),
            ("", "is empty"),
            (" \n\n", "is empty"),
            (f"{KEY}\n{KEY}\n", "has 2 lines"),
            (f"api_key: {KEY}\n", "blanks inside"),
            (b"\xff\xfe\x00", "cannot be read as text (UnicodeDecodeError)"),
            (f"{KEY[:39]}\n", "no W&B API key: expected at least 40 letters, digits, _ or -, got 39 characters."),
        ],
        ids=["missing", "empty", "blank", "two lines", "words", "no text", "short"],
    )
    def test_of_no_use(self, content: str | bytes | None, says: str, tmp_path: Path) -> None:
        """Missing, empty, several lines, blanks, no text, an impossible shape: each has its answer, with the path."""
        path = tmp_path / "key"
        if content is not None:
            key_file(path, content)
        text = refusal(api_key_file=path)
        assert says in text
        assert str(path) in text
        assert set() == search(text.encode(), {"key": KEY})

    @pytest.mark.parametrize(
        ("name", "error"), [(".", "IsADirectoryError"), ("~nobody-has-this-name/k", "RuntimeError")]
    )
    def test_unreadable(self, name: str, error: str) -> None:
        """What the system refuses is reported by its error's name."""
        assert f"cannot be read as text ({error})" in refusal(api_key_file=name)

    def test_readable_by_everybody(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        """It works, with one warning that says what to do; one for a group is the user's affair."""
        path = key_file(tmp_path / "a user's key", mode=0o640)
        online(api_key_file=path)
        assert "" == caplog.text
        path.chmod(0o644)
        for _ in range(3):
            assert Secret(KEY) == online(api_key_file=path).explicit_key
        (message,) = caplog.messages
        subprocess.run(["sh", "-c", message.partition("Protect it by: ")[2]], check=True)
        assert 0o600 == path.stat().st_mode & 0o777


class TestShape:
    @pytest.mark.parametrize(
        "key", [KEY, f"local-{KEY}", f"my.host-{KEY}", "wandb_v1_" + "Ab_9" * 20, "head-er.pay_load.sig"]
    )
    def test_possible(self, key: str) -> None:
        """Keys of W&B, of a server of one's own (with a prefix), of the newer form, and tokens."""
        assert Secret(key) == online(api_key=key).explicit_key

    @pytest.mark.parametrize(
        "key",
        [
            KEY[:39],
            f"local-{KEY[:39]}",
            f"{KEY}\n",
            f" {KEY}",
            f"{KEY[:20]} {KEY[20:]}",
            f"{KEY}é",
            f"{KEY}\x00",
            f"{KEY}/",
        ],
    )
    @pytest.mark.parametrize("source", ["the field api_key", "the variable WANDB_API_KEY", "the hook", "`wandb login`"])
    def test_impossible(
        self,
        source: str,
        key: str,
        monkeypatch: pytest.MonkeyPatch,
        hook_returns: Callable[[object], None],
        tmp_path: Path,
    ) -> None:
        """From wherever it comes, the answer is the same before any run is opened, and shows nothing of the key."""
        words: dict[str, object] = {}
        if source == "the field api_key":
            words["api_key"] = key
        elif source == "the hook":
            key = key.strip() if key.strip() != KEY else KEY[1:]
            hook_returns(key)
        elif source == "`wandb login`":
            key = KEY[:30]
            (tmp_path / "netrc").write_text(f"machine 127.0.0.1:9 login user password {key}\n")
        else:
            key = key.replace("\x00", "/")  # no variable can hold it
            monkeypatch.setenv("WANDB_API_KEY", key)
        text = refusal(**words)
        assert f"the key from {source}" in text
        assert f"got {len(key)} characters{', blanks among them' if key.split() != [key] else ''}." in text
        assert set() == search(text.encode(), {"key": KEY})


class TestHook:
    @pytest.mark.parametrize("value", [None, "", " \n", b"key", 1])
    def test_returns_no_key(self, value: object, hook_returns: Callable[[object], None]) -> None:
        hook_returns(value)
        assert "the function named by WANDB_SETUP_API_KEY_HOOK returned no key." in refusal()

    def test_raises(self, hook_returns: Callable[[object], None]) -> None:
        """Its error is named by its type: the text may hold a token, and shows nowhere, not in a traceback either."""
        hook_returns(OSError(f"the vault refuses {KEY}"))
        with pytest.raises(WandbSettingsError, match=f"{__name__}.hook raised OSError.") as caught:
            online()
        shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value.__context__)
        assert set() == search(shown.encode(), {"key": KEY})

    def test_its_module_raises(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whatever the import of its module raises is a mistake of the environment, named by its type."""
        (tmp_path / "broken_hook.py").write_text(f"raise RuntimeError('{KEY}')")
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.setenv("WANDB_SETUP_API_KEY_HOOK", "broken_hook.hook")
        text = refusal()
        assert "broken_hook.hook cannot be imported (RuntimeError)" in text
        assert set() == search(text.encode(), {"key": KEY})

    @pytest.mark.parametrize("name", ["no.such.module", f"{__name__}.nothing", "word"])
    def test_is_none(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("WANDB_SETUP_API_KEY_HOOK", name)
        assert f"{name} cannot be imported" in refusal()


ENTRIES: list[dict[str, object]] = [
    {"api_key": KEY},
    {"settings": {"api_key": KEY}},
    {"settings": wandb.Settings(api_key=KEY)},
]


class TestNothingShows:
    @pytest.mark.parametrize("entry", ENTRIES, ids=["api_key", "settings: dict", "wandb.Settings"])
    def test_settings(self, entry: dict[str, object], caplog: pytest.LogCaptureFixture) -> None:
        """As text, in a format, as JSON, in a log, as a dict, in an error, in copies and in every pickle."""
        settings = WandbSettings.from_dict(entry)
        config = settings.to_config()
        logging.getLogger("user").warning("%s %r", settings, config)
        try:
            raise RuntimeError(settings, config, settings.api_key)
        except RuntimeError as error:
            raised = "".join(traceback.format_exception(error))
        shown = [
            *(str(settings), repr(settings), f"{settings}", f"{settings.api_key:>40}", f"{settings!r:.500}"),
            *("%s %r" % (settings, settings), repr(config), str(settings.init_kwargs())),  # noqa: UP031  # what is tested
            *(pprint.pformat(settings), pprint.pformat(config), str(dir(settings.api_key))),
            *(json.dumps(config, default=str), json.dumps(attrs.asdict(settings), default=str)),
            *(str(copy.copy(settings)), str(copy.deepcopy(config)), str(attrs.evolve(settings, project="p"))),
            *(caplog.text, raised),
        ]
        with pytest.raises(TypeError, match="not JSON serializable") as caught:
            json.dumps(config)
        pickles = [pickle.dumps(thing, protocol) for thing in (settings, config) for protocol in range(6)]
        pickles += [cloudpickle.dumps(settings), cloudpickle.dumps(lambda: settings)]
        written = "".join([*shown, str(caught.value)]).encode() + b"".join(pickles)
        assert "Secret(hidden)" in shown[0]
        assert set() == search(written, {"key": KEY})
        assert {Secret(KEY)} == {pickle.loads(text).api_key for text in pickles[:6]}

    def test_a_secret_cannot_be_changed(self) -> None:
        """Nor has it a dict of attributes that could show."""
        with pytest.raises(AttributeError, match="cannot be changed"):
            Secret(KEY)._reference = "other"
        assert not hasattr(Secret(KEY), "__dict__")

    def test_one_key_under_two_references(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Secrets of two processes have references of their own: with one value they are equal, and one in a set."""
        published = {"a" * 32: KEY.encode(), "b" * 32: KEY.encode(), "c" * 32: b"other"}
        kv: Any = import_module("ray.experimental.internal_kv")
        monkeypatch.setattr(kv, "_internal_kv_get", lambda reference, namespace: published.get(reference))
        monkeypatch.setattr("ray.is_initialized", lambda: True)
        one, two, other = (Secret.of_reference(letter * 32) for letter in "abc")
        lost = Secret.of_reference("d" * 32)
        assert one == two == Secret(KEY)
        assert {one, other} == {one, two, other}
        assert lost not in (one, other)
        assert lost == Secret.of_reference("d" * 32)

    def test_another_process_gets_nothing_out_of_a_pickle(self, tmp_path: Path) -> None:
        """Without the Ray cluster that it was pickled under, a reference leads nowhere."""
        path = tmp_path / "pickle"
        path.write_bytes(pickle.dumps(WandbSettings(api_key=KEY)))
        script = f"import pickle; print(pickle.load(open({str(path)!r}, 'rb')).api_key.reveal())"
        root = str(Path(__file__).parent.parent)
        done = subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONPATH": root},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert "None\n" == done.stdout, done.stderr
