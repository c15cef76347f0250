"""Refuse a Python that is too old, in one sentence, before anything is installed."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036  (this file exists to say it to older ones)
    sys.exit(
        f"LiftOS needs Python 3.11 or newer; this is {sys.version.split()[0]}. "
        "Run: make PYTHON=/path/to/python3.11 run"
    )
