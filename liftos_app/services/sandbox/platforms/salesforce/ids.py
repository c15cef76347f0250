"""Salesforce's ids: three characters for the object, twelve of a number, three of a checksum."""

from __future__ import annotations

from typing import Final

_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CHECK: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_SERVER: Final = "5g"
PREFIX: Final = {
    "Lead": "00Q", "Contact": "003", "Account": "001", "Opportunity": "006", "Campaign": "701",
    "CampaignMember": "00v", "User": "005", "Organization": "00D", "CurrencyType": "01L",
    "OpportunityStage": "01J", "Job": "750", "Locator": "0r8",
}  # fmt: skip


def make(name: str, number: int) -> str:
    """The id of the nth record of an object; "" for none."""
    if not number:
        return ""
    digits = ""
    while number:
        number, rest = divmod(number, 62)
        digits = _DIGITS[rest] + digits
    return _checked(PREFIX[name] + _SERVER + digits.rjust(10, "0"))


def _checked(short: str) -> str:
    """The 18-character form of a 15-character id: one check letter per five characters."""
    tail = ""
    for start in (0, 5, 10):
        bits = (c.isupper() for c in short[start : start + 5])
        tail += _CHECK[sum(1 << i for i, up in enumerate(bits) if up)]
    return short + tail


ORGANIZATION: Final = make("Organization", 4_211_907)
USER: Final = make("User", 90_001)
