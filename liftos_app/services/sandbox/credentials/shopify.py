"""What the imitated Shopify takes. Invented; it opens nothing else."""

from typing import Final

SHOP: Final = "larkspur-home.myshopify.com"
_APP: Final = {
    "shop": SHOP,
    "client_id": "c4a61f0e92d7483bb5d08e2fa7916c35",
    "client_secret": "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",
}
DEMO: Final = {
    "client_credentials": dict(_APP),
    "oauth": dict(_APP),
    "token": {"shop": SHOP, "access_token": "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"},
}
SPARE: Final = {"access_token": "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"}
