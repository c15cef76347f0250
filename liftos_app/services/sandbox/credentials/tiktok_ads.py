"""What the imitated TikTok takes. Invented; it opens nothing else."""

from typing import Final

_APP: Final = {
    "client_id": "7301990000000012345",
    "client_secret": "9c1e5b70d3f84a26b8e0c7d91a4f52630d8be714",
}
DEMO: Final = {
    "oauth": dict(_APP),
    "token": {**_APP, "access_token": "5ad0c0ffee1a4b7c93d2e8f60b7a51c4d9e3f208"},
}
SPARE: Final = {"access_token": "5ad1c0ffee2b5c8da4e3f9071c8b62d5eaf40319"}
