"""What the imitated Stripe takes. Invented; it opens nothing else.

Written in parts, because scanners take a whole text of this form for a real key.
"""

from typing import Final

_RESTRICTED, _SECRET = "rk_" + "live_", "sk_" + "live_"
DEMO: Final = {
    "restricted_key": {"api_key": _RESTRICTED + "51LrkB7WZ01zgkWdemoH7kQ2vT9mB4xN8pZ6s"},
    "secret_key": {"api_key": _SECRET + "51LrkB7WZ01zgkWdemoC3yF8wJ5uR1aG7oE0d"},
    "oauth": {
        "client_id": "ca_LrkBrambleAgencyDemo7Kq2Vw5Zt1Nb4",
        "client_secret": _SECRET + "51BrmB2QX88agencydemoT4hL9cS6nV3iM0f",
    },
}
# Another restricted key; one that may read neither the account nor events; one of test mode.
SPARE: Final = {
    "api_key": _RESTRICTED + "51LrkB7WZ01zgkWspareW2bD6jP8tX4qY9rK1",
    "limited_key": _RESTRICTED + "51LrkB7WZ01zgkWlimitU5eO7gA3zI0lM2hV8",
    "test_key": "rk_" + "test_" + "51LrkB7WZ01zgkWtestsN9fS4wQ6kC1yB3mJ7",
}
