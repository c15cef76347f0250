"""What the imitated LinkedIn takes. Invented; it opens nothing else."""

from typing import Final

_APP: Final = {
    "client_id": "77larkspur0dm4",
    "client_secret": "WPL_AP1.larkspurDemo7Kq2Vw5Z.t1Nb4g==",
}
DEMO: Final = {
    "oauth": dict(_APP),
    "token": {**_APP, "access_token": "AQXsandbox" + "Larkspur0Member7Qw3_" * 16 + "ZQ"},
}
SPARE: Final = {"access_token": "AQXsandbox" + "Larkspur1Member4Tz8_" * 16 + "ZQ"}
# An app that LinkedIn has not approved for refresh tokens.
WITHOUT_REFRESH: Final = {
    "client_id": "77larkspur0pl1",
    "client_secret": "WPL_AP1.larkspurPlain3Hd8Rm1X.s6Jc2w==",
}
