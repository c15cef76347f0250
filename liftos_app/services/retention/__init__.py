"""How long data is kept, and the daily walk that deletes what is older.

`rules` say what is too old, `choices` hold what an organization set, `walking` deletes.
"""

from liftos_app.services.retention.choices import Choice, change, choice_of, hold, release
from liftos_app.services.retention.rules import LONGEST_DAYS, PERMANENT, Preview, preview
from liftos_app.services.retention.walking import clear_temporary, walk

__all__ = [
    "LONGEST_DAYS", "PERMANENT", "Choice", "Preview", "change", "choice_of", "clear_temporary",
    "hold", "preview", "release", "walk",
]
