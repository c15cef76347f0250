"""The one place that names the version of Salesforce's interface, and the path below it."""

import datetime as dt

VERSION = "67.0"
ENDS = dt.date(2029, 6, 1)  # Salesforce promises three years from a release, Summer '26


def path(version: str, rest: str) -> str:
    """A path of the data interface of one version."""
    return f"/services/data/v{version}/{rest}"
