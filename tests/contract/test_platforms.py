"""What every registered platform must do, shown against its imitation over real HTTP."""

from __future__ import annotations

import logging
import re
from datetime import UTC, timedelta
from typing import Any

import pytest

from liftos_app.errors import Fix, PlatformFault, Quota, Retry, SignInAgain
from liftos_app.services.connectors import grants
from liftos_app.services.connectors.rows import ATTRIBUTION, BIGGEST
from liftos_app.services.connectors.spec import AccountInfo, Lands, Row, Stream
from tests.contract.conftest import PLATFORMS, Bench, read, streams
from tests.contract.connect import BACK, addresses, answered, consent, inputs, sign_in

METHODS = [(p, m) for p in PLATFORMS for m in p.auth]
STREAMS = [(p.slug, s.name) for p in PLATFORMS for s in streams(p)]
# Only what a stream names is asked for, so nothing can be added to it.
NAMED_COLUMNS = {"shopify", "snowflake", "databricks"}
ENDLESS = {"stripe"}  # their access tokens name no end: only a refusal tells that one is over
MONEY = ("spend_micros", "conversions_micros", "value_micros")


@pytest.mark.parametrize(("slug", "method"), [(p.slug, m.id) for p, m in METHODS])
def test_each_way_to_sign_in_reaches_an_account(bench_of: Any, slug: str, method: str) -> None:
    bench = bench_of(slug)
    with bench.open(method) as client:
        accounts = bench.platform.discover(client)
        usable = [a for a in accounts if a.usable]
        assert usable
        assert len({a.external_id for a in accounts}) == len(accounts)
        for account in accounts:
            assert account.name
            assert len(account.currency) == (0 if bench.platform.define else 3)
            assert account.usable or account.reason
        sentence = bench.platform.test(client, usable[0])
        assert usable[0].name in sentence
        assert sentence.endswith(".")
        if bench.platform.granted is not None:
            granted = bench.platform.granted(client) or ()
            needed = {s.name for s in bench.platform.scopes if s.required}
            assert needed <= set(granted)


@pytest.mark.parametrize(("slug", "name"), STREAMS)
def test_each_stream_gives_rows_of_its_declared_shape(bench_of: Any, slug: str, name: str) -> None:
    bench = bench_of(slug)
    with bench.open() as client:
        account = bench.account(client)
        task = bench.task(name, account, back=50, days=8)
        page = read(client, task)
    assert page.rejected == []
    assert page.rows
    days = {(task.start + timedelta(days=i)).isoformat() for i in range(8)}
    for row in page.rows:
        check_row(task.stream, row, days)
    keys = [key_of(task.stream, row) for row in page.rows]
    assert len(keys) == len(set(keys))
    if task.stream.lands is not Lands.FACTS or name != "abandoned_checkouts":
        assert page.columns


def check_row(stream: Stream, row: Row, days: set[str]) -> None:
    """A row as connectors/rows.py says, with everything the stream declares as required."""
    for name in stream.required:
        assert row.get(name) not in (None, ""), name
    match stream.lands:
        case Lands.FACTS:
            assert row["day"] in days
            assert row.get("setting", "none") in ATTRIBUTION
            assert isinstance(row["entity_id"], str)
            for name in ("impressions", "clicks", *MONEY):
                assert row.get(name) is None or whole(row[name]), name
            assert all(whole(v) for v in row.get("extra", {}).values() if v is not None)
        case Lands.MAIL:
            assert row["day"] in days
            assert whole(row["recipients"])
            assert row["delivered"] <= row["recipients"]
        case Lands.ENTITIES:
            assert isinstance(row["external_id"], str)
            assert isinstance(row["level"], int)
            assert row.get("parent_id", "") is not None
        case Lands.ORDERS:
            check_order(row, days, whole_order=not stream.defined)
        case Lands.PAYMENTS:
            check_payment(stream, row, days)
        case Lands.CRM:
            check_crm(stream, row, days)


def check_crm(stream: Stream, row: Row, days: set[str]) -> None:
    assert row["kind"] == stream.kind
    assert stream.window is None or row["day"] in days
    assert row["created_at"].tzinfo is UTC
    assert row["updated_at"] >= row["created_at"]
    assert row.get("amount_micros") is None or whole(row["amount_micros"])
    assert not row.get("person_ref") or len(row["person_ref"]) == 64
    assert "@" not in str(row)


def check_order(row: Row, days: set[str], *, whole_order: bool = True) -> None:
    assert row["day"] in days
    assert row["processed_at"].tzinfo is UTC
    assert row["updated_at"] >= row["processed_at"]
    beside = row["shipping_micros"] + row["tax_micros"]
    assert row["gross_micros"] == row["subtotal_micros"] + beside
    if whole_order:
        assert row["subtotal_micros"] == sum(line["amount_micros"] for line in row["lines"])
        assert row["items"] == sum(line["quantity"] for line in row["lines"])
    assert row["refunded_micros"] == sum(r["amount_micros"] for r in row["refunds"])
    for refund in row["refunds"]:
        if whole_order or refund["goods_micros"] is not None:
            assert 0 < refund["goods_micros"] <= refund["amount_micros"]
    assert len(row["customer_ref"]) == 64
    assert "@" not in str(row)


def check_payment(stream: Stream, row: Row, days: set[str]) -> None:
    assert row["day"] in days
    assert row["kind"] == stream.kind
    assert row["occurred_at"].tzinfo is UTC
    assert row["updated_at"] >= row["occurred_at"]
    assert re.fullmatch(r"[A-Z]{3}", row["currency"])
    assert row["customer_ref"] == "" or len(row["customer_ref"]) == 64
    for name in ("amount_micros", "fee_micros", "net_micros", "refunded_micros"):
        assert row.get(name) is None or whole(row[name]), name
    assert "@" not in str(row)


def whole(value: object) -> bool:
    return type(value) is int and abs(value) <= BIGGEST


def key_of(stream: Stream, row: Row) -> tuple[Any, ...]:
    if stream.lands in (Lands.FACTS, Lands.MAIL):
        return row["entity_id"], row["day"], row.get("setting", "none")
    return row.get("level"), row["external_id"]


def test_reading_day_by_day_gives_what_one_span_gives(bench: Bench) -> None:
    """A run that is killed goes on from any day: nothing is lost and nothing comes twice."""
    stream = bench.daily()
    with bench.open() as client:
        account = bench.account(client)
        whole_ = read(client, bench.task(stream.name, account, back=44, days=6)).rows
        single = [
            row for i in range(6)
            for row in read(client, bench.task(stream.name, account, back=44 - i, days=1)).rows
        ]
        again = read(client, bench.task(stream.name, account, back=44, days=6)).rows

    def by_key(rows: list[Row]) -> dict[Any, Row]:
        return {key_of(stream, r): r for r in rows}

    assert whole_
    assert by_key(single) == by_key(whole_)
    assert len(single) == len(whole_)
    assert by_key(again) == by_key(whole_)


def test_a_limit_with_a_time_is_waited_for(bench: Bench) -> None:
    with bench.open() as client:
        account = bench.account(client)
        bench.box.trouble.add("rate_limited", bench.platform.slug, count=1, retry_after=2)
        before = client.requests
        assert bench.platform.test(client, account)
        assert client.requests > before + 1
        assert client.waited >= 1


def test_a_limit_without_a_time_is_backed_off_from_or_handed_on(bench: Bench) -> None:
    with bench.open() as client:
        account = bench.account(client)
        bench.box.trouble.add("rate_limited_silent", bench.platform.slug, count=1)
        try:
            assert bench.platform.test(client, account)
        except Quota as error:  # Meta names no time: five minutes are handed on
            assert (error.after or 0) >= 60


def test_a_used_up_quota_parks_the_account(bench: Bench) -> None:
    with bench.open() as client:
        account = bench.account(client)
        bench.box.trouble.add("quota_exhausted", bench.platform.slug, count=None)
        with pytest.raises(Quota) as caught:
            read(client, bench.task(bench.daily().name, account))
    assert caught.value.cause == "quota"
    assert caught.value.fix


@pytest.mark.parametrize("kind", ["server_error", "cut", "not_json"])
def test_passing_faults_pass(bench: Bench, kind: str) -> None:
    with bench.open() as client:
        account = bench.account(client)
        expected = read(client, bench.task(bench.daily().name, account)).rows
        bench.box.trouble.add(kind, bench.platform.slug, count=2)
        assert read(client, bench.task(bench.daily().name, account)).rows == expected


def test_a_lasting_outage_ends_in_a_retry_for_later(bench: Bench) -> None:
    with bench.open(tries=3) as client:
        account = bench.account(client)
        bench.box.trouble.add("server_error", bench.platform.slug, count=None)
        with pytest.raises(Retry) as caught:
            read(client, bench.task(bench.daily().name, account))
    assert caught.value.cause == "platform_outage"


def test_a_login_page_is_no_data(bench: Bench) -> None:
    with bench.open() as client:
        account = bench.account(client)
        bench.box.trouble.add("login_page", bench.platform.slug, count=1)
        with pytest.raises(Fix, match="web page"):
            bench.platform.test(client, account)


@pytest.mark.parametrize("kind", ["token_expired", "token_revoked"])
def test_a_lasting_refusal_asks_for_a_new_sign_in(bench: Bench, kind: str) -> None:
    with bench.open() as client:
        account = bench.account(client)
        bench.box.trouble.add(kind, bench.platform.slug, count=None)
        with pytest.raises(SignInAgain) as caught:
            read(client, bench.task(bench.daily().name, account))
        assert client.requests < 10
    assert caught.value.owner == "you"
    assert caught.value.cause == "credential"


def test_a_token_that_ended_is_renewed_in_the_middle(bench: Bench) -> None:
    method = next((m for m in bench.platform.auth if m.renewal in
                   {"refresh_token", "client_credentials"}), None)
    if method is None:
        # Dead tokens of these cannot be renewed, and a key has no end.
        keys = all(m.kind == "key" for m in bench.platform.auth)
        assert keys or bench.platform.slug in {"meta_business", "tiktok_ads", "x_ads"}
        return
    with bench.open(method.id) as client:
        account = bench.account(client)
        first = client.credential.text("access_token")
        bench.box.clock.advance(hours=LIFE_HOURS.get(bench.platform.slug, 25))
        if bench.platform.slug in ENDLESS:
            bench.box.trouble.add("token_expired", bench.platform.slug, count=1)
        assert bench.platform.test(client, account)
        assert client.credential.text("access_token") != first


def test_a_missing_permission_is_for_a_person(bench: Bench) -> None:
    with bench.open() as client:
        account = bench.account(client)
        detail = {"scope": "read_orders"} if bench.platform.slug == "shopify" else {}
        bench.box.trouble.add("missing_scope", bench.platform.slug, count=None, detail=detail)
        with pytest.raises((Fix, SignInAgain)) as caught:
            read(client, bench.task(bench.daily().name, account))
    assert caught.value.cause == "permission"


def test_a_shop_without_customers_still_gives_its_orders_and_says_so(bench_of: Any) -> None:
    bench = bench_of("shopify")
    with bench.open() as client:
        account = bench.account(client)
        bench.box.trouble.add("missing_scope", "shopify", count=None)
        for days in (1, 8):  # paged, and prepared as a file
            page = read(client, bench.task("orders", account, days=days))
            assert page.rows
            assert not any("customer_ref" in r for r in page.rows)  # unknown, not a guest
            assert page.notes or days == 8
            client.kept.pop("shopify.told", None)


def test_an_added_column_is_seen_and_changes_no_row(bench: Bench) -> None:
    with bench.open() as client:
        account = bench.account(client)
        task = bench.task(bench.daily().name, account)
        before = read(client, task)
        bench.box.trouble.add("added_column", bench.platform.slug, count=None)
        after = read(client, task)
    assert after.rows == before.rows
    if bench.platform.slug not in NAMED_COLUMNS:
        assert after.columns - before.columns


LIFE_HOURS = {"linkedin_ads": 61 * 24}  # of an access token, where it is more than a day
RENAMED = {
    "hubspot": ("createdAt", "madeAt", "no 'createdAt'"),
    "meta_business": ("spend", "amount_spent", "no 'spend'"),
    "klaviyo": ("statistics", "figures", "no 'statistics'"),
    "linkedin_ads": ("costInLocalCurrency", "cost", "no 'costInLocalCurrency'"),
    "stripe": ("amount", "amount_minor", "no 'amount'"),
    "tiktok_ads": ("metrics.spend", "cost", "no 'spend'"),
    "x_ads": (
        "billed_charge_local_micro", "billed_charge_micro", "no 'billed_charge_local_micro'"
    ),
}


@pytest.mark.parametrize("slug", sorted(RENAMED))
def test_a_renamed_column_rejects_its_rows_with_the_reason(bench_of: Any, slug: str) -> None:
    bench = bench_of(slug)
    column, to, reason = RENAMED[slug]
    with bench.open() as client:
        account = bench.account(client)
        task = bench.task(bench.daily().name, account, days=8)
        bench.box.trouble.add(
            "changed_column", slug, count=None, detail={"column": column, "to": to}
        )
        page = read(client, task)
    assert page.rows == []
    assert page.rejected
    assert all(reason in r.reason for r in page.rejected)


def test_a_row_that_comes_twice_comes_twice_and_is_counted(bench: Bench) -> None:
    with bench.open() as client:
        account = bench.account(client)
        task = bench.task(bench.daily().name, account)
        before = read(client, task)
        bench.box.trouble.add("duplicated_rows", bench.platform.slug, count=None)
        after = read(client, task)
    keys = {str(key_of(task.stream, r)) for r in after.rows}
    assert keys == {str(key_of(task.stream, r)) for r in before.rows}  # one row a key, as ever


def test_no_secret_reaches_a_log_an_error_or_an_address(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    errors: list[PlatformFault] = []
    for method in bench.platform.auth:
        with bench.open(method.id) as client:
            secrets = [
                s for n in (
                    "access_token", "access_token_secret", "refresh_token", "client_secret",
                    "api_key",
                )
                if (s := client.credential.text(n))
            ]
            account = bench.account(client)
            read(client, bench.task(bench.daily().name, account))
            for kind in ("token_revoked", "server_error", "missing_scope", "login_page"):
                bench.box.trouble.add(kind, bench.platform.slug, count=None)
                try:
                    bench.platform.test(client, account)
                except PlatformFault as error:
                    errors.append(error)
                bench.box.trouble.clear(platform=bench.platform.slug)
            shown = caplog.text + "".join(f"{e!r}{e.sentence()}{e.facts}" for e in errors)
            for secret in secrets:
                assert secret not in shown
    assert errors


OAUTH = [p for p in PLATFORMS if any(m.id == "oauth" and m.kind == "oauth2" for m in p.auth)]


@pytest.mark.parametrize("platform", OAUTH, ids=lambda p: p.slug)
def test_a_refused_consent_comes_back_as_one(box: Any, platform: Any) -> None:
    method = platform.method("oauth")
    values = inputs(platform, "oauth")
    url = grants.authorize_url(
        platform, method, addresses(platform, box.origin), values, state="s",
        redirect_uri=BACK.format(slug=platform.slug), verifier=grants.new_verifier(),
    )
    params = consent(url, allow=False)
    assert params["state"] == "s"
    assert "code" not in params
    assert params["error"]


@pytest.mark.parametrize("platform", OAUTH, ids=lambda p: p.slug)
def test_a_code_works_once_and_only_with_its_own_redirect_address(box: Any, platform: Any) -> None:
    method = platform.method("oauth")
    values, where = inputs(platform, "oauth"), addresses(platform, box.origin)
    back = BACK.format(slug=platform.slug)
    verifier = grants.new_verifier()
    url = grants.authorize_url(
        platform, method, where, values, state="s", redirect_uri=back, verifier=verifier
    )

    def swap(code: str, **more: Any) -> Any:
        asked = {"redirect_uri": back, "now": box.clock(), "verifier": verifier, **more}
        return grants.exchange(platform, method, where, values, code=code, **asked)

    params = consent(url)
    where, code = answered(platform, box.origin, values, params), params["code"]
    assert swap(code).access_token
    with pytest.raises(SignInAgain):
        swap(code)
    if platform.slug not in {"shopify", "stripe", "tiktok_ads"}:  # they take no redirect address
        with pytest.raises((SignInAgain, Fix)):
            swap(consent(url)["code"], redirect_uri=back + "/else")
    if method.oauth.pkce:
        with pytest.raises((SignInAgain, Fix)):
            swap(consent(url)["code"], verifier="w" * 64)
    wrong = {**values, "client_secret": values["client_secret"][:-4] + "0000"}
    with pytest.raises(Fix, match="id and secret"):
        grants.exchange(
            platform, method, where, wrong, code=consent(url)["code"], redirect_uri=back,
            now=box.clock(), verifier=verifier,
        )


@pytest.mark.parametrize("platform", OAUTH, ids=lambda p: p.slug)
def test_what_is_renewed_works_and_what_is_given_back_does_not(box: Any, platform: Any) -> None:
    method = platform.method("oauth")
    values, tokens = sign_in(platform, method, box.origin, box.clock())
    where = addresses(platform, box.origin, values)
    assert tokens
    box.clock.advance(minutes=30)
    if method.renewal == "never":
        assert tokens.expires_at is None
    else:
        assert tokens.expires_at or platform.slug in ENDLESS
        newer = grants.renew(platform, method, where, values, now=box.clock())
        assert newer.access_token != tokens.access_token
        values |= newer.values()
    bench = Bench(platform, box)
    with bench.open("oauth", values=values) as client:
        account = bench.account(client)
    if grants.revoke(platform, method, where, values, now=box.clock()):
        with bench.open("oauth", values=values) as client, pytest.raises(SignInAgain):
            platform.test(client, account)


def test_a_declined_permission_is_seen_in_what_was_granted(bench_of: Any) -> None:
    bench = bench_of("meta_business")
    method = bench.platform.method("oauth")
    values, _ = sign_in(
        bench.platform, method, bench.box.origin, bench.box.clock(),
        untick=frozenset({"ads_read"}),
    )
    with bench.open("oauth", values=values) as client:
        assert "ads_read" not in (bench.platform.granted(client) or ())


def test_an_unknown_account_is_refused_in_words(bench: Bench) -> None:
    stranger = AccountInfo(external_id="9999999999", name="Stranger", time_zone="UTC")
    single = {"shopify", "klaviyo", "salesforce", "stripe", "zoho_crm"}
    if bench.platform.slug in single or bench.platform.define:
        return  # one token is one account: there is no other to ask for
    with bench.open() as client, pytest.raises((Fix, SignInAgain)) as caught:
        read(client, bench.task(bench.daily().name, stranger))
    assert caught.value.cause == "permission"
    assert caught.value.fix
