"""The day on which a pasted credential ends, as the person states it: its platform tells nobody."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from typing import Any, Final

from liftos_app.services.connectors.spec import Input

_NAME: Final = "ends_on"
_WRONG: Final = "Enter a day such as 2027-02-24."


def _clean(text: str) -> str:
    try:
        return date.fromisoformat(text.strip()).isoformat()
    except ValueError:
        raise ValueError(_WRONG) from None


ENDS_ON: Final = Input(
    name=_NAME,
    label="Ends on",
    help="The day the token was made to end, such as 2027-02-24: you are warned before it.",
    required=False,
    placeholder="2027-02-24",
    pattern=r"\d{4}-\d{2}-\d{2}",
    wrong=_WRONG,
    clean=_clean,
)


def end_of(options: Mapping[str, Any]) -> datetime | None:
    """The first moment of the stated day in UTC, None when none was stated."""
    stated = options.get(_NAME)
    return datetime.combine(date.fromisoformat(stated), time(), UTC) if stated else None
