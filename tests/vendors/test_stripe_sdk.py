"""Stripe's own Python library as the client of the sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import stripe

from liftos_app.services.sandbox.credentials.stripe import DEMO, SPARE
from liftos_app.services.sandbox.platforms.stripe import ids
from tests.contract.connect import BACK, consent
from tests.sandbox_server import RunningSandbox, running_sandbox


@pytest.fixture(scope="module")
def box() -> Iterator[RunningSandbox]:
    with running_sandbox(plant=False) as running:
        yield running


@pytest.fixture(autouse=True)
def _fresh(box: RunningSandbox) -> None:
    box.reset()


@pytest.fixture
def library(box: RunningSandbox) -> Iterator[Any]:
    """Makes clients of the library; their connections are closed afterwards."""
    https: list[stripe.RequestsClient] = []

    def make(key: str = DEMO["restricted_key"]["api_key"], **more: Any) -> stripe.StripeClient:
        https.append(stripe.RequestsClient(timeout=60))
        base = box.platform("stripe")
        return stripe.StripeClient(
            key, base_addresses={"api": base, "connect": base}, http_client=https[-1], **more
        )

    yield make
    for http in https:
        http.close()


def test_lists_are_walked_to_their_end_in_both_directions(box: Any, library: Any) -> None:
    client = library()
    now = box.clock()
    since, until = now - timedelta(days=6), now - timedelta(days=5)
    params = {
        "limit": 17,
        "created": {"gte": int(since.timestamp()), "lt": int(until.timestamp())},
    }
    charges = list(client.v1.charges.list(params=params).auto_paging_iter())
    view = box.world.payments(as_of=now)
    keys = view.keys("charge", since=since, until=until)
    assert [c.id for c in charges] == [ids.of("charge", k) for k in reversed(keys)]
    assert len(charges) > 3 * 17
    last = charges[-1].id
    back = client.v1.charges.list(params={**params, "ending_before": last})
    assert [c.id for c in back.auto_paging_iter()] == [ids.of("charge", k) for k in keys[1:]]
    assert {type(c.amount) for c in charges} == {int}


@pytest.mark.parametrize(("service", "kind"), [
    ("balance_transactions", "entry"), ("charges", "charge"), ("payment_intents", "intent"),
    ("refunds", "refund"), ("invoices", "invoice"), ("disputes", "dispute"),
    ("payouts", "payout"), ("events", "event"),
])  # fmt: skip
def test_each_thing_is_listed_and_found_again_by_its_id(
    box: Any, library: Any, service: str, kind: Any
) -> None:
    resource = getattr(library().v1, service)
    newest = resource.list(params={"limit": 2}).data
    keys = box.world.payments(as_of=box.clock()).keys(kind)
    assert [one.id for one in newest] == [ids.of(kind, k) for k in (keys[-1], keys[-2])]
    assert resource.retrieve(newest[1].id).to_dict() == newest[1].to_dict()


def test_subscriptions_hide_canceled_ones_unless_all_are_asked_for(library: Any) -> None:
    client = library()
    usual = list(client.v1.subscriptions.list(params={"limit": 100}).auto_paging_iter())
    params = {"limit": 100, "status": "all"}
    everything = list(client.v1.subscriptions.list(params=params).auto_paging_iter())
    assert {s.status for s in usual} == {"active", "trialing", "past_due"}
    assert {s.status for s in everything} == {"active", "trialing", "past_due", "canceled"}
    item = everything[0]["items"].data[0]
    assert item.current_period_end > item.current_period_start
    assert item.price.unit_amount == int(item.price.unit_amount_decimal)
    with pytest.raises(AttributeError):
        _ = everything[0].current_period_end  # moved to the items in 2025
    canceled = client.v1.subscriptions.list(params={"status": "canceled", "limit": 3}).data
    assert {s.status for s in canceled} == {"canceled"}


def test_filters_expansions_and_matches(library: Any) -> None:
    client = library()
    refund = client.v1.refunds.list(params={"limit": 1}).data[0]
    assert client.v1.refunds.list(params={"charge": refund.charge}).data[0].id == refund.id
    charge = client.v1.charges.retrieve(
        refund.charge, params={"expand": ["balance_transaction", "payment_intent"]}
    )
    assert charge.amount_refunded == refund.amount
    assert charge.balance_transaction.type == "charge"
    assert charge.payment_intent.latest_charge == charge.id
    params = {"payment_intent": charge.payment_intent.id}
    assert charge.id in {c.id for c in client.v1.charges.list(params=params).data}
    fees = client.v1.balance_transactions.list(params={"type": "stripe_fee", "limit": 2}).data
    assert {f.type for f in fees} == {"stripe_fee"}
    payout = client.v1.payouts.list(params={"limit": 1, "status": "paid"}).data[0]
    carried = client.v1.balance_transactions.list(params={"source": payout.id, "limit": 1}).data
    assert carried[0].amount == -payout.amount
    buyer = client.v1.customers.list(params={"limit": 1}).data[0]
    assert buyer.email.endswith("@mail.example")


def test_events_tell_of_things_in_the_version_of_the_account(box: Any, library: Any) -> None:
    client = library()
    events = client.v1.events.list(
        params={"types": ["invoice.paid", "charge.refunded"], "limit": 40}
    ).data
    assert {e.type for e in events} == {"invoice.paid", "charge.refunded"}
    invoice = next(e for e in events if e.type == "invoice.paid").data.object
    assert invoice["subscription"].startswith("sub_")  # as before 2025-03-31
    now = client.v1.invoices.retrieve(invoice["id"])
    assert now.parent.subscription_details.subscription == invoice["subscription"]
    oldest = list(client.v1.events.list(
        params={"type": "payout.paid", "limit": 100}
    ).auto_paging_iter())[-1]  # fmt: skip
    assert oldest.created >= box.clock().timestamp() - 30 * 86_400


@pytest.mark.parametrize(("params", "param"), [
    ({"limit": 101}, "limit"),
    ({"limit": 0}, "limit"),
    ({"starting_after": "ch_unknown"}, "starting_after"),
    ({"status": "paid"}, "status"),
    ({"created": {"since": 1}}, "created[since]"),
    ({"expand": ["data.customer"]}, "expand"),
])  # fmt: skip
def test_what_stripe_would_refuse_is_refused(library: Any, params: Any, param: str) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        library().v1.charges.list(params=params)
    assert caught.value.param == param
    assert caught.value.http_status == 400
    assert caught.value.request_id.startswith("req_")


def test_wrong_keys_missing_permissions_and_other_modes(box: Any, library: Any) -> None:
    with pytest.raises(stripe.AuthenticationError):
        library("rk_" + "live_wrong0123456789").v1.charges.list()
    with pytest.raises(stripe.AuthenticationError, match="publishable"):
        library("pk_" + "live_wrong0123456789").v1.charges.list()
    with pytest.raises(stripe.PermissionError, match="rak_event_read"):
        library(SPARE["limited_key"]).v1.events.list()
    with pytest.raises(stripe.PermissionError, match="write"):
        library().v1.customers.create(params={"name": "Nobody"})
    live = library().v1.charges.list(params={"limit": 1}).data[0]
    with pytest.raises(stripe.InvalidRequestError) as caught:
        library(SPARE["test_key"]).v1.charges.retrieve(live.id)
    assert caught.value.code == "resource_missing"
    assert library(SPARE["test_key"]).v1.charges.list(params={"limit": 1}).data[0].livemode is False
    box.tokens.revoke_all("stripe")
    with pytest.raises(stripe.AuthenticationError):
        library().v1.charges.list()


def test_limits_are_waited_for_by_the_library(box: Any, library: Any) -> None:
    box.trouble.add("rate_limited_silent", "stripe", count=1)
    with pytest.raises(stripe.RateLimitError) as caught:
        library().v1.charges.list()
    assert caught.value.headers["stripe-rate-limited-reason"] == "global-rate"
    box.trouble.add("rate_limited_silent", "stripe", count=1)
    assert library(max_network_retries=2).v1.charges.list(params={"limit": 1}).data


def test_connect_gives_an_account_and_takes_it_back(box: Any, library: Any) -> None:
    app = DEMO["oauth"]
    client = library(app["client_secret"])
    assert client.v1.accounts.retrieve_current().id == ids.AGENCY
    assert client.v1.charges.list().data == []
    back = BACK.format(slug="stripe")
    url = client.oauth.authorize_url(params={
        "client_id": app["client_id"], "scope": "read_only", "state": "s1", "redirect_uri": back,
        "response_type": "code",
    })  # fmt: skip
    assert "/oauth/authorize?" in url
    params = consent(box.platform("stripe") + "/oauth/authorize?" + url.partition("?")[2])
    token = client.oauth.token(params={"grant_type": "authorization_code", "code": params["code"]})
    assert (token.stripe_user_id, token.scope) == (ids.ACCOUNT, "read_only")
    options = {"stripe_account": token.stripe_user_id}
    assert client.v1.charges.list(params={"limit": 1}, options=options).data
    assert library(token.access_token).v1.accounts.retrieve_current().id == ids.ACCOUNT
    with pytest.raises(stripe.oauth_error.InvalidGrantError):
        client.oauth.token(params={"grant_type": "authorization_code", "code": params["code"]})
    with pytest.raises(stripe.PermissionError):
        client.v1.charges.list(options={"stripe_account": "acct_1Stranger0000000"})
    gone = client.oauth.deauthorize(params={
        "client_id": app["client_id"], "stripe_user_id": ids.ACCOUNT,
    })  # fmt: skip
    assert gone.stripe_user_id == ids.ACCOUNT
    with pytest.raises(stripe.PermissionError, match="revoked"):
        client.v1.charges.list(options=options)
    with pytest.raises(stripe.AuthenticationError):
        library(token.access_token).v1.charges.list()


def test_an_old_version_has_the_old_shapes_and_an_unknown_one_is_refused(library: Any) -> None:
    old = {"stripe_version": "2024-06-20"}
    invoice = library().v1.invoices.list(params={"limit": 1}, options=old).data[0].to_dict()
    assert invoice["subscription"].startswith("sub_")
    assert "parent" not in invoice
    member = library().v1.subscriptions.list(params={"limit": 1}, options=old).data[0].to_dict()
    assert member["current_period_end"] > member["current_period_start"]
    with pytest.raises(stripe.InvalidRequestError, match="Invalid Stripe API version"):
        library().v1.charges.list(options={"stripe_version": "2031-01-01"})
