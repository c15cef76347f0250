"""What people and organizations may ask of their data: a copy of it, and its end.

`datamap` says what each column is; `exporting` and `erasing` follow it.
"""

from liftos_app.services.rights.erasing import (
    erase_account,
    erase_due,
    erase_me,
    find_organization,
    preview_account,
    preview_organization,
)
from liftos_app.services.rights.exporting import (
    LINK_LIFE,
    ask_mine,
    ask_ours,
    begin_export,
    export_me,
    organization_zip,
    personal_zip,
)

__all__ = [
    "LINK_LIFE", "ask_mine", "ask_ours", "begin_export", "erase_account", "erase_due", "erase_me",
    "export_me", "find_organization", "organization_zip", "personal_zip",
    "preview_account", "preview_organization",
]
