"""Write docs/security/data-map.md from the models and services/rights/datamap.py."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import liftos_app.models  # noqa: E402, F401  (fills the metadata)
from liftos_app.db import metadata  # noqa: E402
from liftos_app.services.rights import datamap  # noqa: E402

HEAD = """# Data map

Made by `scripts/data_map.py` from the models; a test keeps it current and fails for a column
without a class. Columns not named here are technical ids or say nothing about a person. Free text
may hold anything a platform sends; pseudonyms are keyed hashes or random ids. Hidden columns
(hashes, sealed values) leave in no export. `source_record` holds what a platform sent, with what
the connectors leave out already removed.

"""

(ROOT / "docs/security/data-map.md").write_text(
    HEAD + datamap.markdown(metadata.sorted_tables) + "\n", encoding="utf-8"
)
