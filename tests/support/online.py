"""Settings with which wandb sends at once and retries after a second. wandb-core cuts seconds down to whole ones."""

from __future__ import annotations

FAST_UPLOADS: dict[str, object] = {
    "x_file_stream_transmit_interval": 1,
    "x_file_stream_retry_wait_min_seconds": 1,
    "x_file_stream_retry_wait_max_seconds": 1,
}
FAST: dict[str, object] = {
    **FAST_UPLOADS,
    "x_graphql_retry_wait_min_seconds": 1,
    "x_graphql_retry_wait_max_seconds": 1,
    "init_timeout": 10,
}
