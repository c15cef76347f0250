"""What the imitated Google Ads takes. Invented; it opens nothing else."""

from typing import Final

DEMO: Final = {
    "oauth": {
        "client_id": "204816309715-larkspurhome0demo4k7q2m9vt1b8c3.apps.googleusercontent.com",
        "client_secret": "GOCSPX-larkspurDemo8Kq2Vw5Zt1Nb4",
        "login_customer_id": "1234567890",
        "developer_token": "",
    },
}
