"""Syncs. `runs` asks and watches, `engine` and `run` do, `load` alone writes facts."""

from liftos_app.services.sync.reach import left_out
from liftos_app.services.sync.runs import (
    Estimate,
    RunProgress,
    StreamProgress,
    cancel,
    estimate,
    get,
    history,
    last_of_each_stream,
    latest,
    progress,
    request,
    success_share,
)

__all__ = [
    "Estimate", "RunProgress", "StreamProgress", "cancel", "estimate", "get", "history",
    "last_of_each_stream", "latest", "left_out", "progress", "request", "success_share",
]
