"""The warning of an API key that is readable in a raw dict."""

from __future__ import annotations


def inline_key_warning(written_by_tune: str) -> str:
    """Return the text of the warning.

    Args:
        written_by_tune: Where Tune had written the key before it was redacted, as the end of a sentence.
    """
    return (
        "it is readable in the raw dict. From here on it is redacted, but Tune had already written it to "
        f'{written_by_tune}. Write "api_key_file" there instead, or pass WandbSettings(api_key=...).to_config() as the '
        "entry."
    )
