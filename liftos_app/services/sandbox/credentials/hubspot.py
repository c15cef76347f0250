"""What the imitated HubSpot takes. Invented; it opens nothing else."""

from typing import Final

DEMO: Final = {
    "service_key": {"access_token": "hsk-na1-larkspur-7Kq2Vw5Zt1Nb4Xc9Rf3Ly8Pm6Ds0Gh"},
    "oauth": {
        "client_id": "9d41c7e2-58b0-4f6a-8e33-c0a17b52f964",
        "client_secret": "b27f90d4-6c1e-4a85-9d3b-71e8f5a20c46",
    },
    "private_app": {"access_token": "pat-na1-3e8b5d17-a904-4c62-b7f1-0d95c6e2a843"},
}
SPARE: Final = {"access_token": "hsk-na1-larkspur-2Jt8Bz4Wn6Qd1Ys7Hk5Mv3Xp9Cf0Ra"}
