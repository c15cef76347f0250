"""Every registered platform is described completely, in words for people."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from liftos_app.errors import Missing
from liftos_app.services.connectors import registry, rows
from liftos_app.services.connectors.spec import Lands, Platform, Stream

ROOT = Path(__file__).resolve().parents[3]
PLATFORMS = registry.all_platforms()
STREAMS = [(p, s) for p in PLATFORMS for s in p.streams]


@pytest.fixture(params=PLATFORMS, ids=lambda p: p.slug)
def platform(request: pytest.FixtureRequest) -> Platform:
    found: Platform = request.param
    return found


def test_the_four_platforms_are_found() -> None:
    assert {p.slug for p in PLATFORMS} >= {"meta_business", "google_ads", "shopify", "klaviyo"}
    with pytest.raises(Missing, match="no platform"):
        registry.get("nothing")


def test_each_has_a_mark_of_its_own(platform: Platform) -> None:
    text = (ROOT / "assets" / "platforms" / f"{platform.slug}.svg").read_text(encoding="utf-8")
    assert text.startswith("<svg ")
    assert platform.name in text
    assert "<script" not in text
    assert "href" not in text


def test_hosts_are_https_and_one_is_the_interface(platform: Platform) -> None:
    assert "api" in platform.hosts
    for host in platform.hosts.values():
        # A person types the whole address of a system of their own; it is guarded when called.
        assert host == "{base_url}" or re.fullmatch(r"https://[a-z0-9.{}_-]+", host)


def test_every_way_to_sign_in_has_steps_inputs_and_a_life(platform: Platform) -> None:
    for method in platform.auth:
        assert method.title
        assert method.summary.endswith(".")
        assert method.access_life.endswith(".")
        for one in method.inputs:
            assert one.help.endswith(".")
            assert not one.pattern or one.wrong.endswith(".")
            re.compile(one.pattern)
            for pattern, sentence in one.refuse:
                re.compile(pattern)
                assert sentence.endswith(".")
        if method.kind != "key":
            assert (method.oauth is None) == (method.kind == "oauth1")
            assert method.oauth or method.oauth1
            assert method.renewal != "never" or "Without end" in method.access_life
            assert method.steps
        secret = {i.name for i in method.inputs if i.secret}
        assert secret >= {i.name for i in method.inputs} & {
            "client_secret", "api_key", "access_token", "access_token_secret", "developer_token"
        }


def test_scopes_and_prerequisites_say_why(platform: Platform) -> None:
    for scope in platform.scopes:
        assert scope.reason.endswith(".")
        assert scope.without.endswith(".")
    assert platform.prerequisites
    assert platform.never
    assert platform.summary.endswith(".")
    assert platform.docs_url.startswith("https://")


@pytest.mark.parametrize(("platform", "stream"), STREAMS, ids=lambda v: getattr(v, "name", v))
def test_streams_are_complete(platform: Platform, stream: Stream) -> None:
    assert re.fullmatch(r"[a-z][a-z_]{2,39}", stream.name)
    assert stream.title[0].isupper()
    assert stream.key
    if stream.lands in (Lands.FACTS, Lands.MAIL):
        assert stream.window is not None
    if stream.window is not None:
        window = stream.window
        assert 1 <= window.days_per_request <= 366
        assert 0 <= window.reread_days <= window.settle_days
        assert window.history_days >= 60
    if stream.sums_to:
        assert platform.stream(stream.sums_to).level < stream.level


def test_streams_of_one_table_and_level_do_not_overlap(platform: Platform) -> None:
    seen = [
        (s.lands, s.level) for s in platform.streams if s.lands in (Lands.FACTS, Lands.MAIL)
    ]
    assert len(seen) == len(set(seen))


def test_names_are_unique_and_unknown_ones_are_key_errors(platform: Platform) -> None:
    names = [s.name for s in platform.streams]
    assert len(names) == len(set(names))
    assert any(s.default for s in platform.streams) or platform.define
    with pytest.raises(KeyError):
        platform.stream("nothing")
    with pytest.raises(KeyError):
        platform.method("nothing")


@pytest.mark.parametrize(("slug", "method", "name", "value", "words"), [
    ("klaviyo", "api_key", "api_key", "pk_live_0123456789abcdefghij", "Stripe"),
    ("klaviyo", "api_key", "api_key", "XyZ123", "public site id"),
    ("shopify", "token", "access_token", "shpss_0123456789abcdef", "secret"),
    ("meta_business", "token", "access_token", "0" * 32, "app secret"),
    ("meta_business", "oauth", "client_id", "act_1024500000000001", "ad account"),
    ("google_ads", "oauth", "client_secret", "1-a.apps.googleusercontent.com", "client id"),
    ("google_ads", "oauth", "client_id", "GOCSPX-abc", "client secret"),
])
def test_known_mix_ups_are_named(slug: str, method: str, name: str, value: str, words: str) -> None:
    one = next(i for i in registry.get(slug).method(method).inputs if i.name == name)
    found = [sentence for pattern, sentence in one.refuse if re.search(pattern, value)]
    assert found
    assert words in found[0]


@pytest.mark.parametrize(("typed", "shop"), [
    ("kite-demo", "kite-demo.myshopify.com"),
    ("KITE-demo.myshopify.com", "kite-demo.myshopify.com"),
    ("https://kite-demo.myshopify.com/admin?x=1", "kite-demo.myshopify.com"),
    ("https://admin.shopify.com/store/kite-demo/orders", "kite-demo.myshopify.com"),
])
def test_shop_addresses_are_taken_as_people_paste_them(typed: str, shop: str) -> None:
    one = next(i for i in registry.get("shopify").auth[0].inputs if i.name == "shop")
    assert one.clean
    assert one.clean(typed) == shop
    assert re.fullmatch(one.pattern, shop)


def test_a_customer_id_loses_its_dashes() -> None:
    inputs = registry.get("google_ads").auth[0].inputs
    one = next(i for i in inputs if i.name == "login_customer_id")
    assert one.clean
    assert one.clean("123-456-7890") == "1234567890"
    with pytest.raises(ValueError, match="ten digits"):
        one.clean("123")


def test_attribution_numbers_are_never_changed() -> None:
    assert rows.ATTRIBUTION == {
        "none": 0, "meta_7d_click_1d_view": 1, "google_conversion_window": 2,
        "klaviyo_event_date": 3, "klaviyo_send_date": 4, "tiktok_7d_click_1d_view": 5,
        "linkedin_30d_click_7d_view": 6, "x_30d_engagement_1d_view": 7, "imported": 8,
        "hubspot_send_date": 9,
    }
