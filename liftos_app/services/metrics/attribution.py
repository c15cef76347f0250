"""Attribution settings in words. Their numbers live in connectors/rows.py and nowhere else.

A setting is part of a number: two values of different settings are never added up.
"""

from __future__ import annotations

from typing import Final

from liftos_app.services.connectors.rows import ATTRIBUTION

_WORDS: Final[dict[str, str]] = {
    "none": "no attribution",
    "meta_7d_click_1d_view": "7-day click, 1-day view, by day of the impression or click",
    "google_conversion_window": "conversion windows of the account, by day of the click",
    "klaviyo_event_date": "attribution of the Klaviyo account, by day of the order",
    "klaviyo_send_date": "attribution of the Klaviyo account, by day of sending",
    "tiktok_7d_click_1d_view": "7-day click, 1-day view, as the ad group is set",
    "linkedin_30d_click_7d_view": "30-day click, 7-day view, by day of the click or view",
    "x_30d_engagement_1d_view": "30-day engagement, 1-day view",
    "imported": "as the source counted it",
    "hubspot_send_date": "as HubSpot counts, by day of sending",
}
_SHORT: Final[dict[str, str]] = {
    "none": "none",
    "meta_7d_click_1d_view": "7-day click, 1-day view",
    "google_conversion_window": "account's windows",
    "klaviyo_event_date": "by day of the order",
    "klaviyo_send_date": "by day of sending",
    "tiktok_7d_click_1d_view": "7-day click, 1-day view",
    "linkedin_30d_click_7d_view": "30-day click, 7-day view",
    "x_30d_engagement_1d_view": "30-day engagement, 1-day view",
    "imported": "as imported",
    "hubspot_send_date": "by day of sending",
}
_NAMES: Final = {number: name for name, number in ATTRIBUTION.items()}


def number(name: str) -> int:
    """The stored number of a setting. Raises KeyError."""
    return ATTRIBUTION[name]


def name(setting: int) -> str:
    """The name of a stored number; a number from a newer version keeps itself as name."""
    return _NAMES.get(setting, f"setting_{setting}")


def words(setting: int) -> str:
    """A setting as people read it."""
    return words_of(name(setting))


def words_of(key: str) -> str:
    """A setting's name as people read it."""
    return _WORDS.get(key, key.replace("_", " "))


def short_of(key: str) -> str:
    """A setting's name for the cell of a table."""
    return _SHORT.get(key, words_of(key))
