"""Zoho's data centres: which hosts belong together, and where the demo's company lives."""

from __future__ import annotations

from typing import Final

CENTRES: Final = {
    "us": ("accounts.zoho.com", "www.zohoapis.com"),
    "eu": ("accounts.zoho.eu", "www.zohoapis.eu"),
    "in": ("accounts.zoho.in", "www.zohoapis.in"),
}
HOME: Final = "eu"
ACCOUNTS: Final = {accounts: name for name, (accounts, _) in CENTRES.items()}
DATA: Final = {data: name for name, (_, data) in CENTRES.items()}
