"""The advertiser's ad accounts: live ones, a closed one, managers, and one without campaigns."""

from __future__ import annotations

from datetime import date
from typing import Final

from liftos_app.services.sandbox.world.plan import EU_ZONE, SHOP_ZONE
from liftos_app.services.sandbox.world.shapes import AdAccount

_OPENED: Final = date(2023, 5, 8)
META_US, META_EU, META_JP = "1024500000000001", "1024500000000002", "1024500000000003"
GOOGLE_TOP, GOOGLE_PARTNER = "1234567890", "2345678901"
GOOGLE_US, GOOGLE_EU, GOOGLE_OLD = "3456789012", "4567890123", "5678901234"
GOOGLE_SHARED = "6789012345"
TIKTOK_US, TIKTOK_EU = "7301234567890123401", "7301234567890123402"
TIKTOK_OLD = "7301234567890123403"
LINKEDIN_US, LINKEDIN_EU, LINKEDIN_DRAFT = "509800001", "509800002", "509800003"
UTC_ZONE: Final = "Etc/UTC"  # LinkedIn's days, whatever the account
X_US, X_EU, X_OLD = "18ce54d4x5t", "18ce54uhx0z", "18ce53qy1qq"

ACCOUNTS: Final[tuple[AdAccount, ...]] = (
    AdAccount(
        platform="meta_business",
        id=META_US,
        name="Larkspur US",
        currency="USD",
        zone=SHOP_ZONE,
        market="US",
        created=_OPENED,
    ),
    AdAccount(
        platform="meta_business",
        id=META_EU,
        name="Larkspur EU",
        currency="EUR",
        zone=EU_ZONE,
        market="EU",
        created=_OPENED,
    ),
    AdAccount(
        platform="meta_business",
        id=META_JP,
        name="Larkspur Japan (closed test)",
        currency="JPY",
        zone="Asia/Tokyo",
        market="",
        status="disabled",
        created=_OPENED,
    ),
    AdAccount(
        platform="google_ads",
        id=GOOGLE_TOP,
        name="Larkspur Home manager",
        currency="USD",
        zone=SHOP_ZONE,
        market="",
        manager=True,
        created=_OPENED,
    ),
    AdAccount(
        platform="google_ads",
        id=GOOGLE_PARTNER,
        name="Bramble Agency",
        currency="USD",
        zone=SHOP_ZONE,
        market="",
        manager=True,
        created=_OPENED,
    ),
    AdAccount(
        platform="google_ads",
        id=GOOGLE_US,
        name="Larkspur US",
        currency="USD",
        zone=SHOP_ZONE,
        market="US",
        parents=(GOOGLE_TOP,),
        created=_OPENED,
    ),
    AdAccount(
        platform="google_ads",
        id=GOOGLE_EU,
        name="Larkspur EU",
        currency="EUR",
        zone=EU_ZONE,
        market="EU",
        parents=(GOOGLE_TOP, GOOGLE_PARTNER),
        created=_OPENED,
    ),
    AdAccount(
        platform="google_ads",
        id=GOOGLE_OLD,
        name="Larkspur 2019",
        currency="USD",
        zone=SHOP_ZONE,
        market="",
        status="cancelled",
        parents=(GOOGLE_TOP,),
        created=date(2019, 3, 4),
    ),
    AdAccount(
        platform="google_ads",
        id=GOOGLE_SHARED,
        name="Larkspur outlet (no campaigns yet)",
        currency="EUR",
        zone=EU_ZONE,
        market="",
        parents=(GOOGLE_PARTNER,),
        created=date(2025, 9, 1),
    ),
    AdAccount(
        platform="tiktok_ads",
        id=TIKTOK_US,
        name="Larkspur US",
        currency="USD",
        zone=SHOP_ZONE,
        market="US",
        created=_OPENED,
    ),
    AdAccount(
        platform="tiktok_ads",
        id=TIKTOK_EU,
        name="Larkspur EU",
        currency="EUR",
        zone=EU_ZONE,
        market="EU",
        created=_OPENED,
    ),
    AdAccount(
        platform="tiktok_ads",
        id=TIKTOK_OLD,
        name="Larkspur trial (closed)",
        currency="USD",
        zone=SHOP_ZONE,
        market="",
        status="cancelled",
        created=_OPENED,
    ),
    AdAccount(
        platform="linkedin_ads",
        id=LINKEDIN_US,
        name="Larkspur Trade US",
        currency="USD",
        zone=UTC_ZONE,
        market="US",
        created=_OPENED,
    ),
    AdAccount(
        platform="linkedin_ads",
        id=LINKEDIN_EU,
        name="Larkspur Trade EU",
        currency="EUR",
        zone=UTC_ZONE,
        market="EU",
        created=_OPENED,
    ),
    AdAccount(
        platform="linkedin_ads",
        id=LINKEDIN_DRAFT,
        name="Larkspur Trade (on hold)",
        currency="USD",
        zone=UTC_ZONE,
        market="",
        status="disabled",
        created=_OPENED,
    ),
    AdAccount(
        platform="x_ads",
        id=X_US,
        name="Larkspur US",
        currency="USD",
        zone=SHOP_ZONE,
        market="US",
        created=_OPENED,
    ),
    AdAccount(
        platform="x_ads",
        id=X_EU,
        name="Larkspur EU",
        currency="EUR",
        zone=EU_ZONE,
        market="EU",
        created=_OPENED,
    ),
    AdAccount(
        platform="x_ads",
        id=X_OLD,
        name="Larkspur 2021 (closed)",
        currency="USD",
        zone=SHOP_ZONE,
        market="",
        status="cancelled",
        created=_OPENED,
    ),
)
BY_KEY: Final = {(a.platform, a.id): a for a in ACCOUNTS}
BY_ID: Final = {a.id: a for a in ACCOUNTS}
