"""What the imitated Meta takes. Invented; it opens nothing else."""

from typing import Final

_APP: Final = {
    "client_id": "731904825566120",
    "client_secret": "5f0d3c9a71e84b26a9d07c315be84f62",
}
DEMO: Final = {
    "oauth": dict(_APP),
    "token": {
        "access_token": "EAAKZBsandbox" + "Larkspur0SystemUser7Qw3" * 6 + "ZD",
        "client_secret": _APP["client_secret"],
    },
}
SPARE: Final = {"access_token": "EAAKZBsandbox" + "Larkspur1SystemUser4Tz8" * 6 + "ZD"}
