"""How secret the name of a value makes it: ``accessToken`` holds a credential, ``pad_token`` does not."""

from __future__ import annotations

import re
from enum import IntEnum
from typing import Final


class Secrecy(IntEnum):
    """What a name says about its value."""

    PUBLIC = -1
    """Nothing is redacted: the user has named it as public."""
    NONE = 0
    """Only what has the shape of a known credential is redacted."""
    HINT = 1
    """What looks random is redacted, too."""
    LIKELY = 2
    """Every text is redacted, except a plain word, four characters, or a special token such as ``<pad>``."""
    TOKEN = 3
    """Every text is redacted, except a special token."""
    SECRET = 4
    """Every text is redacted, and every number of four digits or more."""
    EXPLICIT = 5
    """Every text and every number is redacted: the user has named it as secret."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Ends of a name in one piece (``db_password``, ``apiKey``), and the same in some other languages.
_SECRET_ENDS: Final = re.compile(
    r"(passwords?|passwd|passphrase|passcode|passwort|kennwort|contraseña|contrasena|motdepasse|wachtwoord|senha"
    r"|secrets?|credentials?|creds|authorization|mnemonic|seedphrase|recoverycodes?|cookies?|jwt|bearer"
    r"|(api|app|application|consumer|access|secret|private|auth|signing|encryption|decryption|master|license|licence|ssh|account|deploy"
    r"|fernet|hmac|rsa)keys?(id)?)$"
)
_TOKEN: Final = _words("token pat")
_LOGIN: Final = _words("pass pw pwd")
_KEY: Final = _words("key keys tokens license licence webhook")
# Who gives out a token or a key: "hf_token", "openai_key".
_BRANDS: Final = _words(
    """anthropic aws azure bitbucket clearml cohere comet databricks datadog deepseek digitalocean discord docker
    dropbox facebook figma firebase gcp gemini gh github gitlab google groq heroku hf hugging huggingface jira
    kaggle langchain langsmith mailgun mapbox mistral mlflow neptune netlify npm nvidia openai openrouter pinecone
    postman pypi replicate sendgrid sentry shopify slack snyk sonar stripe supabase tavily telegram twilio twitter
    vercel wandb weaviate xai"""
)
# What a token is for, unlike one of a tokenizer: "access_token".
_ISSUERS: Final = _BRANDS | _words(
    """access api app auth authentication authorization bearer bot ci client cloud csrf deploy dev git hub id jwt
    linear login oauth personal private refresh registry sas secret security service session square ssh sso together
    user vault web webhook x"""
)
# What makes a token one of a tokenizer or a counter: "pad_token", "max_tokens".
_TOKENIZER: Final = _words(
    """additional answer audio begin beginning boi bos class classification cls completion context control count
    decoder delimiter distill document embed encoder end eod eoi eos eot extra fim first forced generated image img
    in infix initial initializer input inst instruction lang language last learnable learned left length long mask
    masked max mean memory middle min modality motion n new newline next null num number object output pad padding
    patch per placeholder pool pooled position prefix prev previous prompt punctuation query question r reg register
    reserved response right row sec second sentence sep separator shared_start space special start stop sub subword
    suffix summary suppress system target task text thinking tool total train trigger turn unk unknown use video
    vision vocab whitespace word zero"""
)
_LOGIN_OWNERS: Final = _words(
    """account admin basic cert cluster database db email ftp git http https imap jdbc key keystore ldap login mail
    maria mongo mongodb my mysql oracle pg postgres postgresql proxy rabbit rabbitmq redis registry root rpc service
    sftp smtp sql ssh ssl sudo svc tls truststore user vpn wifi"""
)
# Words after the name of a credential that leave it one: "password_prod", "token_value", "api_key_openai".
_TAILS: Final = _ISSUERS | _words(
    """actual b64 backup base base64 bytes current default enc encoded header headers live local main new old pem plain
    plaintext primary prod production raw readonly rw secondary staging str string test text tmp v val value values
    write"""
)
_TAILS_OF_TOKEN: Final = _TAILS - _words("text id base main new local class")
# Words before the name of a credential that make it a switch or a number.
_SWITCHES: Final = _words(
    """allow allows ask can check count disable enable enabled forget forgot generate has hide ignore is keep mask max
    min n needs no num number require required requires reset show skip total use uses with without"""
)
_PART: Final = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[^\W\d_A-Z]+|[A-Z]+")


def split_name(name: str) -> list[str]:
    """Return the words of a name, in lower case and without numbers: snake, kebab, dotted and camel case.

    Example:
        >>> split_name("HFAccessToken2"), split_name("x-api-key"), split_name("GITHUB_TOKEN")
        (['hf', 'access', 'token'], ['x', 'api', 'key'], ['github', 'token'])
    """
    words = [word.lower() for word in _PART.findall(name)]
    # In one piece: "hftoken", "authtoken", "dbpass".
    if words and len(words[-1]) > 5 and words[-1].endswith("token"):
        words[-1:] = [words[-1][:-5], "token"]
    return words


def secrecy_of(name: str) -> Secrecy:
    """Return what a name says about its value.

    Example:
        >>> [secrecy_of(name).name for name in ("lr", "sort_key", "hfToken", "pad_token", "db.password")]
        ['NONE', 'HINT', 'TOKEN', 'HINT', 'SECRET']
    """
    words = split_name(name)
    if not words:
        return Secrecy.NONE
    found = _secrecy_of_words(words)
    if found > Secrecy.HINT:
        return found
    # The noun stands last in English: what follows a credential's name is another thing, but for a few words.
    for end in range(len(words) - 1, 0, -1):
        head = _secrecy_of_words(words[:end])
        tails = _TAILS if head is Secrecy.SECRET else _TAILS_OF_TOKEN
        if head > Secrecy.HINT and all(word in tails for word in words[end:]):
            return head
        found = max(found, min(head, Secrecy.HINT))
    return found


def _secrecy_of_words(words: list[str]) -> Secrecy:
    last, before = words[-1], words[:-1]
    joined = "".join(words)
    if _SECRET_ENDS.search(joined):
        return Secrecy.HINT if before and before[0] in _SWITCHES else Secrecy.SECRET
    if last in _TOKEN:
        return _secrecy_of_token(before, last)
    if last in _LOGIN:
        if before and before[0] in _SWITCHES:
            return Secrecy.HINT
        return Secrecy.SECRET if not before or _LOGIN_OWNERS.intersection(before) else Secrecy.LIKELY
    if last == "auth":
        return Secrecy.HINT if before and before[0] in _SWITCHES else Secrecy.LIKELY
    if last in _KEY:
        issuers = _ISSUERS if last == "tokens" else _BRANDS
        owned = issuers.intersection(before) and not _TOKENIZER.intersection(before) and before[0] not in _SWITCHES
        return Secrecy.TOKEN if owned else Secrecy.HINT
    return Secrecy.NONE


def _secrecy_of_token(before: list[str], last: str) -> Secrecy:
    if any(word in _TOKENIZER or word in _SWITCHES for word in before):
        return Secrecy.HINT
    if last == "pat":
        return Secrecy.TOKEN if before and before[-1] in _ISSUERS else Secrecy.HINT
    return Secrecy.TOKEN if not before or _ISSUERS.intersection(before) else Secrecy.LIKELY
