"""Stored rows as they are, stream by stream, and the untouched source record behind each."""

from liftos_app.services.explorer.records import SourceFound, source_of
from liftos_app.services.explorer.rows import Asked, Cell, Found, StoredRow, browse

__all__ = ["Asked", "Cell", "Found", "SourceFound", "StoredRow", "browse", "source_of"]
