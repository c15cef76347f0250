"""Names of the schema revisions, read from the files: no database and no alembic needed."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from liftos_app.config import ROOT

FOLDER: Final = ROOT / "alembic"
_REVISION: Final = re.compile(r"^(revision|down_revision) = (.+)$", re.MULTILINE)


def newest() -> str:
    """The revision this version of LiftOS needs."""
    parents = set(revisions().values())
    heads = [name for name in revisions() if name not in parents]
    if len(heads) != 1:
        raise RuntimeError(f"alembic/versions must have one head, not {sorted(heads)}.")
    return heads[0]


@lru_cache(maxsize=1)
def revisions() -> dict[str, str | None]:
    """Every revision and the one before it, read from the files."""
    found: dict[str, str | None] = {}
    for path in sorted(FOLDER.glob("versions/*.py")):
        named = dict(_REVISION.findall(path.read_text(encoding="utf-8")))
        if "revision" in named:
            before = named.get("down_revision", "None").strip("'\"")
            found[named["revision"].strip("'\"")] = None if before == "None" else before
    return found
