"""The one place that names the version of LinkedIn's interface. Each lives for about a year."""

from __future__ import annotations

import datetime as dt

VERSION = "202607"
ENDS = dt.date(2027, 7, 15)
