"""What the imitated Salesforce takes. Invented; it opens nothing else."""

from typing import Final

MY_DOMAIN: Final = "larkspur-home.my.salesforce.com"
_APP: Final = {
    "client_id": "3MVG9larkspurHome0Trade7QwEr2TyUi4OpAs6DfGh8JkLz1XcVb3NmPq5RsTu7VwXy9Za",
    "client_secret": "6B1F04D9C27A4E58B3907D5EA1C86F42D3075B9E8A614C2F97E0B35D18A4C6F2",
}
DEMO: Final = {
    "oauth": {"login_host": "login.salesforce.com", **_APP},
    "client_credentials": {"login_host": MY_DOMAIN, **_APP},
}
