"""What the imitated Zoho CRM takes. Invented; it opens nothing else."""

from typing import Final

_APP: Final = {
    "client_id": "1000.LARKSPURHOME7TRADE2DEMO9QX4KV8ZB",
    "client_secret": "5d0c7be9143fa26880ec91b74d3f56a2c80e1947fb",
}
DEMO: Final = {
    "oauth": dict(_APP),
    "self_client": {
        "accounts_host": "accounts.zoho.eu",
        **_APP,
        "grant_code": "1000.7c1e04f9a2d85b36e07f4c9a18b2d653.9e5a0c71f3b84d26a90c57e1d4b83f62",
    },
}
