"""Accounts that were closed or that vanished after they were chosen.

Discovery never leaves out a closed one. Test connection and a sync end in a fault that says why,
and the other accounts of the sign-in go on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from liftos_app.errors import Fix, PlatformFault, SignInAgain
from liftos_app.services.connectors.spec import AccountInfo
from tests.contract.conftest import PLATFORMS, Bench, read
from tests.contract.test_bad_input import explained


@dataclass(frozen=True)
class End:
    """How a platform's account ends in the sandbox, and the stream that notices it."""

    kind: str = "account_disabled"
    status: str = ""
    stream: str = ""  # empty: a daily one, which the platform refuses
    http: int = 0
    code: str = ""
    hidden: bool = False  # the whole interface refuses, discovery too

    def begin(self, bench: Bench, account: str) -> None:
        """Let the account end."""
        detail = {k: v for k, v in (("status", self.status), ("code", self.code)) if v}
        more: dict[str, Any] = {} if self.hidden else {"account": account}
        if self.http:
            more["status"] = self.http
        bench.box.trouble.add(self.kind, bench.platform.slug, count=None, detail=detail, **more)


WAREHOUSE = "0a1b2c3d4e5f6071"
DISABLED: dict[str, tuple[End, ...]] = {
    "google_ads": (End(status="cancelled"), End(status="disabled")),
    "meta_business": (End(status="cancelled", stream="account"),),
    "linkedin_ads": (End(status="cancelled", stream="account"),),
    "tiktok_ads": (End(status="cancelled", stream="account"),),
    "x_ads": (End(status="cancelled", stream="account"),
              End(status="disabled", stream="account")),
    "shopify": (End("server_error", http=402, hidden=True),),
    "salesforce": (End("server_error", http=403, code="API_DISABLED_FOR_ORG", hidden=True),),
    "databricks": (End(),),
}
NEVER_DISABLED = {  # whose contract sheet knows no such state
    "hubspot": "A portal has no state; a portal without a product refuses single lists with 403.",
    "klaviyo": "An account has no state; its keys are revoked.",
    "stripe": "An account that may not charge still answers; discovery says restricted.",
    "zoho_crm": "A company has no state; its tokens are revoked.",
    "snowflake": "An account has no state; its users and warehouses are refused by statement.",
    "generic_http": "A system has no accounts.",
}
GONE: dict[str, End] = {
    **{slug: End("account_gone") for slug in (
        "google_ads", "meta_business", "linkedin_ads", "tiktok_ads", "x_ads", "databricks")},
    "shopify": End("server_error", http=404, hidden=True),
    "salesforce": End("server_error", http=404, code="NOT_FOUND", hidden=True),
    "generic_http": End("server_error", http=404, hidden=True),
    # One key opens one account: without it the key is dead.
    **{slug: End("token_revoked", hidden=True) for slug in (
        "hubspot", "klaviyo", "stripe", "zoho_crm", "snowflake")},
}
CASES = [(slug, end) for slug, ends in DISABLED.items() for end in ends]


def place(bench: Bench, account: AccountInfo) -> str:
    return WAREHOUSE if bench.platform.slug == "databricks" else account.external_id


def ends(act: Callable[[], object]) -> PlatformFault:
    """The fault of a test or a reading, which a person can do something about."""
    with pytest.raises((Fix, SignInAgain)) as caught:
        act()
    assert explained(caught.value)
    assert caught.value.owner in ("you", "your_platform_admin")
    assert caught.value.cause in ("permission", "credential", "bad_configuration")
    return caught.value


def watch(bench: Bench, end: End) -> None:
    """Both ways to meet an account that has ended, and what becomes of the others."""
    with bench.open() as client:
        account, *others = [a for a in bench.platform.discover(client) if a.usable]
        stream = end.stream or bench.daily().name
        task = bench.task(stream, account, days=1)
        end.begin(bench, place(bench, account))
        client.kept.clear()
        ends(lambda: bench.platform.test(client, account))
        client.kept.clear()
        ends(lambda: read(client, task))
        for other in others[:1]:
            assert bench.platform.test(client, other)
            assert read(client, bench.task(stream, other)).rejected == []
        client.kept.clear()
        if end.hidden or (bench.platform.slug == "databricks" and end.kind == "account_gone"):
            ends(lambda: bench.platform.discover(client))
            return
        seen = {a.external_id: a for a in bench.platform.discover(client)}
        if end.kind == "account_gone":
            assert account.external_id not in seen
        else:
            assert not seen[account.external_id].usable
            assert len(seen[account.external_id].reason) > 15
        assert {a.external_id for a in others} <= {a.external_id for a in seen.values() if a.usable}


@pytest.mark.parametrize(("slug", "end"), CASES, ids=lambda v: getattr(v, "status", v) or "closed")
def test_a_disabled_account_is_shown_and_refused_in_words(
    bench_of: Callable[[str], Bench], slug: str, end: End
) -> None:
    watch(bench_of(slug), end)


def test_an_account_that_vanished_is_refused_in_words(bench: Bench) -> None:
    watch(bench, GONE[bench.platform.slug])


@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda p: p.slug)
def test_every_platform_says_how_its_accounts_end(platform: Any) -> None:
    assert bool(DISABLED.get(platform.slug)) != bool(NEVER_DISABLED.get(platform.slug))
    assert platform.slug in GONE


def test_an_account_that_meta_disabled_keeps_its_history_and_says_so(
    bench_of: Callable[[str], Bench]
) -> None:
    bench = bench_of("meta_business")
    with bench.open() as client:
        account = next(a for a in bench.platform.discover(client) if a.usable)
        End(status="disabled").begin(bench, account.external_id)
        seen = {a.external_id: a for a in bench.platform.discover(client)}[account.external_id]
        assert (seen.usable, seen.status) == (True, "disabled")
        assert "disabled this ad account" in seen.reason
        assert "disabled" in bench.platform.test(client, account)
        assert read(client, bench.task("campaign_daily", account)).rows
