"""Credentials inside a text, found by their shape: known prefixes, URLs with a password, ``name=value``."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from itertools import pairwise
from typing import Final

from typed_tune_wandb.payload._secret_names import Secrecy, secrecy_of

_MIN_CHARS: Final = 8  # a shorter text holds no credential of a known shape
_MIN_RANDOM_CHARS: Final = 20
_MAX_RANDOM_CHARS: Final = 10_000
_MIN_CHANGE_RATE: Final = 0.3  # of neighbours that differ in kind: 0.6 in random letters and digits, 0.2 in words
# The bounds in the patterns keep the time of a search linear, whatever the text.
_PATTERNS: Final = (
    r"gh[pousr]_\w{20,}",
    r"github_pat_\w{22,}",
    r"gl(?:pat|ptt|dt|rt|ft|soat|cbt)-[\w-]{20,}",
    r"hf_[A-Za-z]{30,}|(?:hf|api_org)_(?=[A-Za-z]*\d)[A-Za-z0-9]{20,}",
    r"[srp]k_(?:live|test)_\w{10,}|whsec_\w{16,}",
    r"sk-(?:proj|ant|or|svcacct|admin|lf|None)[\w-]{16,}|sk-(?=[\w-]{0,99}\d)(?=[\w-]{0,99}[A-Z])[\w-]{20,}|sk-[a-f0-9]{32,}",
    r"xox[a-z]-[\w-]{10,}|xapp-\d-[\w-]{10,}",
    r"(?:A3T[A-Z0-9]|AKIA|ASIA|AGPA|AIDA|AROA|ABIA|ACCA)[A-Z0-9]{16}",
    r"AIza[\w-]{30,}|ya29\.[\w-]{20,}|GOCSPX-[\w-]{20,}",
    r"eyJ[\w-]{8,999}\.[\w-]{8,}(?:\.[\w-]*)*",
    r"wandb_v\d[_-][\w-]{16,}",
    r"npm_\w{30,}|pypi-[\w-]{30,}|dckr_(?:pat|oat)_[\w-]{20,}|rubygems_[a-f0-9]{40,}",
    r"SG\.[\w-]{16,}\.[\w-]{16,}|key-[a-f0-9]{32}|SK[a-f0-9]{32}|xkeysib-[\w-]{20,}",
    r"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{24,}|sq0[a-z]{3}-[\w-]{22,}|dop_v1_[a-f0-9]{40,}|do[or]_v1_[a-f0-9]{40,}",
    r"gsk_\w{30,}|r8_\w{30,}|nvapi-[\w-]{30,}|pplx-\w{30,}|xai-\w{30,}|tvly-[\w-]{20,}|lin_api_\w{30,}|csk-\w{30,}",
    r"PMAK-[\w-]{20,}|figd_[\w-]{20,}|ATATT3x[\w=-]{20,}|hvs\.[\w-]{20,}|dapi[a-f0-9]{32}|sntry[su]_[\w=+/-]{20,}",
    r"\$2[abxy]\$\d\d\$[./\w]{53}|\$argon2\w+\$[^\s$]+\$[^\s$]+\$[\w+/=]+(?:\$[\w+/=]+)?",
    r"AGE-SECRET-KEY-1\w{40,}|PRIVATE-\w{20,}-KEY|\d{8,10}:AA[\w-]{30,}|[MNO][\w-]{23,25}\.[\w-]{6}\.[\w-]{27,}",
)
_SHAPES: Final = re.compile(rf"(?<![A-Za-z0-9])(?:{'|'.join(_PATTERNS)})(?![A-Za-z0-9])")
_PRIVATE_KEY: Final = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY[A-Z ]*-----[\s\S]*?(?:-----END [A-Z ]*-----|\Z)")
_WEBHOOK: Final = re.compile(
    r"(?<=hooks\.slack\.com/)[\w/-]{20,}|(?<=/api/webhooks/)[\w/-]{20,}|(?<=webhook\.office\.com/)[\w/@-]{20,}"
)
_SCHEME: Final = re.compile(r"(?i)\b(bearer|basic|token)\s+([\w.~+/=-]{8,})")
_URL_PASSWORD: Final = re.compile(r"(?<=://)([^\s/:@'\"]{0,100}):((?!\d{1,5}/)[^\s'\"]{1,300})@(?=[\w\[.-])")
_URL_TOKEN: Final = re.compile(r"(?<=://)([^\s/:@'\"]{16,300})@(?=[\w\[.-])")
_ASSIGNMENT: Final = re.compile(
    r"(?<![\w.-])(?P<name>-{0,2}\w[\w.-]{0,60})(?P<between>[\"']?\s*=\s*[\"']?|[\"']\s*:\s*[\"']|: +(?![\w.-]{1,60}=))"
    r"(?P<value>[^\s\"'&;,{}()]+)"
)
_OPTION: Final = re.compile(
    r"(?<!\S)(?P<name>--?[A-Za-z][\w.-]{1,60})(?P<between>\s+[\"']?)(?P<value>[^\s\"'-][^\s\"']*)"
)
# curl's option, and a line of .netrc.
_LOGIN: Final = re.compile(r"((?<!\S)(?:-u|--user)[ =]\S+?:|\blogin\s+\S+\s+password\s+)(\S+)")

_REFERENCE: Final = re.compile(
    r"\$\{[^}]*\}|\$[A-Z_][A-Z0-9_]*|\{\{[^}]*\}\}|env:\w+|os\.environ\b.*|<[a-z_ -]+>|\*+\w{0,6}"
)
_PATH: Final = re.compile(
    r"(?:~|\.{1,2})?[/\\].*\.(?:json|pem|key|txt|ya?ml|toml|ini|env|cfg|p12|crt|cer|netrc)|[A-Za-z]:\\.*|/run/secrets/.*"
)
_NO_SECRETS: Final = frozenset(
    {"", "none", "null", "nil", "true", "false", "yes", "no", "on", "off", "disabled", "enabled", "n/a", "?", "???"}
)
_SPECIAL_TOKEN: Final = re.compile(r"[<\[{(|].{0,60}[>\]})|]|[^A-Za-z0-9]{1,8}|[▁Ġ#@].{0,12}|-?\d{1,6}", re.DOTALL)
_PLAIN_WORD: Final = re.compile(r"[A-Za-z]{1,16}(?:[_-][A-Za-z]{1,16})*|.{1,4}")
_RANDOM: Final = re.compile(r"[A-Za-z0-9+/_=.~-]+")
_HEX: Final = re.compile(r"[0-9a-fA-F]{24,}|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def is_secret_text(text: str, secrecy: Secrecy) -> bool:
    """Whether the whole of a text is a credential, by what its name says and by how it looks."""
    if secrecy <= Secrecy.NONE or text.lower() in _NO_SECRETS:
        return False
    if secrecy is Secrecy.HINT:
        return looks_random(text)
    if _REFERENCE.fullmatch(text):
        return False
    if secrecy is Secrecy.EXPLICIT:
        return True
    if _PATH.fullmatch(text):
        return False
    if secrecy is Secrecy.SECRET:
        return True
    if _SPECIAL_TOKEN.fullmatch(text):
        return False
    return secrecy is Secrecy.TOKEN or not _PLAIN_WORD.fullmatch(text)


def looks_random(text: str) -> bool:
    """Whether a text looks like a generated key: long, without spaces, and not made of words.

    Example:
        >>> looks_random("5f3a9c1be8d04c77a1b2c3d4e5f60718"), looks_random("distilbert-base-uncased-2022")
        (True, False)
    """
    if not _MIN_RANDOM_CHARS <= len(text) <= _MAX_RANDOM_CHARS or not _RANDOM.fullmatch(text):
        return False
    if _HEX.fullmatch(text):
        return True
    kinds = ["d" if char.isdigit() else "u" if char.isupper() else "l" for char in text if char.isalnum()]
    changes = sum(one != other for one, other in pairwise(kinds))
    return "d" in kinds and changes / len(kinds) >= _MIN_CHANGE_RATE


def mask_credentials(text: str, mask: Callable[[str], str], secrecy_of: Callable[[str], Secrecy] = secrecy_of) -> str:
    """Return a text with a mask in place of each credential of a known shape; the rest of it stays.

    Args:
        text: Any text.
        mask: Gives the mask for a credential.
        secrecy_of: Tells how secret the name in ``name=value`` makes the value.

    Example:
        >>> mask_credentials("postgres://me:hunter2@db/x", lambda credential: "***")
        'postgres://me:***@db/x'
    """
    if len(text) < _MIN_CHARS:
        return text
    text = _SHAPES.sub(lambda found: mask(found[0]), text)
    if "PRIVATE KEY" in text:
        text = _PRIVATE_KEY.sub(lambda found: mask(found[0]), text)
    if "://" in text:
        text = _WEBHOOK.sub(lambda found: mask(found[0]), text)
        text = _URL_PASSWORD.sub(lambda found: f"{found[1]}:{_unless_reference(found[2], mask)}@", text)
        text = _URL_TOKEN.sub(lambda found: f"{mask(found[1]) if looks_random(found[1]) else found[1]}@", text)
    if " " in text:
        text = _SCHEME.sub(lambda found: _masked_scheme(found, mask), text)
        text = _LOGIN.sub(lambda found: f"{found[1]}{_unless_reference(found[2], mask)}", text)
        text = _OPTION.sub(lambda found: _masked_assignment(found, mask, secrecy_of), text)
    if "=" in text or ":" in text:
        text = _ASSIGNMENT.sub(lambda found: _masked_assignment(found, mask, secrecy_of), text)
    return text


def _unless_reference(text: str, mask: Callable[[str], str]) -> str:
    return text if _REFERENCE.fullmatch(text) else mask(text)


def _masked_scheme(found: re.Match[str], mask: Callable[[str], str]) -> str:
    credential = found[2]
    secret = looks_random(credential) or (found[1].lower() == "basic" and _is_login(credential))
    return found[0].replace(credential, mask(credential)) if secret else found[0]


def _is_login(encoded: str) -> bool:
    try:
        return b":" in base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return False


def _masked_assignment(found: re.Match[str], mask: Callable[[str], str], secrecy_of: Callable[[str], Secrecy]) -> str:
    name, between, value = found["name"], found["between"], found["value"]
    secrecy = secrecy_of(name)
    # After a colon, prose is more likely than a credential: "the password: a word of eight letters".
    if between.startswith(":") and secrecy < Secrecy.EXPLICIT:
        secrecy, value = min(secrecy, Secrecy.LIKELY), value.rstrip(".!?")
    # In a connection string or a signed URL, a signature is a credential.
    if name.lower() in ("sig", "x-amz-signature", "x-goog-signature"):
        secrecy = Secrecy.SECRET
    return found[0].replace(value, mask(value)) if is_secret_text(value, secrecy) else found[0]
