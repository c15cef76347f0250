"""Write a migration from the models: `python scripts/new_migration.py 0002 "add notes"`.

With number 0001 an existing 0001_*.py is replaced: allowed only until the first release.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from liftos_app.db import Database
from liftos_app.services import migrations


def main(number: str, name: str) -> None:
    """Migrate an empty database to the newest revision, compare, write the difference."""
    for old in migrations.FOLDER.glob("versions/0001_*.py") if number == "0001" else []:
        old.unlink()
        migrations.revisions.cache_clear()
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/empty.db")
        if migrations.revisions():
            migrations.migrate(database)
        path = migrations.write_revision(database, name, number=number)
        database.close()
    print(f"Wrote {path.relative_to(migrations.FOLDER.parent)}. Read it before you commit it.")


if __name__ == "__main__":
    main(*sys.argv[1:3])
