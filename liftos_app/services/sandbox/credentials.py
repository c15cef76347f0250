"""The sandbox's own credentials. They open nothing but the sandbox, which takes exactly these."""

from __future__ import annotations

from typing import Final

SHOP: Final = "larkspur-home.myshopify.com"
_META_APP = {
    "client_id": "731904825566120",
    "client_secret": "5f0d3c9a71e84b26a9d07c315be84f62",
}
_SHOPIFY_APP = {
    "shop": SHOP,
    "client_id": "c4a61f0e92d7483bb5d08e2fa7916c35",
    "client_secret": "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",
}

# platform -> sign-in method -> input name -> value, in the platforms' own formats.
DEMO: Final[dict[str, dict[str, dict[str, str]]]] = {
    "meta_business": {
        "oauth": dict(_META_APP),
        "token": {
            "access_token": "EAAKZBsandbox" + "Larkspur0SystemUser7Qw3" * 6 + "ZD",
            "client_secret": _META_APP["client_secret"],
        },
    },
    "google_ads": {
        "oauth": {
            "client_id": "204816309715-larkspurhome0demo4k7q2m9vt1b8c3.apps.googleusercontent.com",
            "client_secret": "GOCSPX-larkspurDemo8Kq2Vw5Zt1Nb4",
            "login_customer_id": "1234567890",
            "developer_token": "",
        },
    },
    "shopify": {
        "client_credentials": dict(_SHOPIFY_APP),
        "oauth": dict(_SHOPIFY_APP),
        "token": {"shop": SHOP, "access_token": "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"},
    },
    "klaviyo": {
        "api_key": {"api_key": "pk_7d20c4e9b15f4a8395c6e0d7f3a1b28469"},
        "oauth": {
            "client_id": "6b0e94d2-3c71-4f8a-9a55-1f27c80de4b6",
            "client_secret": "kQ7vT2mB9xLr4nZp6sWd1yHc3fJg8uEa5oKi0qRt",
        },
    },
}

# Accepted as well, for replacing a key that was revoked.
SPARE: Final[dict[str, dict[str, str]]] = {
    "meta_business": {"access_token": "EAAKZBsandbox" + "Larkspur1SystemUser4Tz8" * 6 + "ZD"},
    "shopify": {"access_token": "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"},
    "klaviyo": {"api_key": "pk_e93b07a6d41c4f2f8b50a7c2d916e83f51"},
}
