"""Reference rates: fetched from a real HTTP server that speaks the bank's CSV, or entered."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlmodel import select

from liftos_app.errors import Conflict, Denied, Invalid, Missing, Retry
from liftos_app.models import AuditEntry, Organization, Provenance, RateDay, Role
from liftos_app.services import rates
from liftos_app.services.context import App, job_principal
from tests.facts_builder import Facts, d, facts, platforms  # noqa: F401

Open = Callable[..., Any]
HEAD = (
    "KEY,FREQ,CURRENCY,CURRENCY_DENOM,EXR_TYPE,EXR_SUFFIX,TIME_PERIOD,OBS_VALUE,OBS_STATUS,"
    "TITLE\n"
)


class Bank:
    """A small server with the bank's path and columns; `figures` may be changed between calls."""

    def __init__(self) -> None:
        self.figures = {
            "USD": {"2026-11-19": "1.0876", "2026-11-20": "1.0901"},
            "GBP": {"2026-11-20": "0.8349"},
        }
        self.asked: list[str] = []
        self.answer: tuple[int, str] | None = None
        bank = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body = bank.reply(self.path)
                data = body.encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/vnd.sdmx.data+csv;version=1.0.0")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *args: object) -> None:
                """Silent."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def reply(self, path: str) -> tuple[int, str]:
        self.asked.append(path)
        if self.answer:
            return self.answer
        parts = urlsplit(path)
        currency = parts.path.rpartition("/")[2].split(".")[1]
        query = parse_qs(parts.query)
        if query["format"] != ["csvdata"] or currency not in self.figures:
            return 404, "No results found."
        lines = [
            f'EXR.D.{currency}.EUR.SP00.A,D,{currency},EUR,SP00,A,{day},{value},A,"A, title"'
            for day, value in self.figures[currency].items() if day >= query["startPeriod"][0]
        ]
        return 200, HEAD + "\n".join(lines) + "\n"


@pytest.fixture
def bank(app: App, make_settings: Callable[..., Any]) -> Iterator[Bank]:
    bank = Bank()
    app.settings = make_settings(DATABASE_URL=app.db.url, LIFTOS_BASE_URL_ECB=bank.url)
    yield bank
    bank.server.shutdown()
    bank.server.server_close()


def stored(app: App, org: Organization) -> dict[tuple[str, str, str], tuple[int, str]]:
    with app.db.read() as session:
        rows = session.exec(select(RateDay).where(RateDay.org_id == org.id)).all()
    return {(r.base, r.currency, r.day.isoformat()): (r.rate, r.source) for r in rows}


WHO = job_principal("rates")


def test_rates_are_stored_as_the_bank_publishes_them(
    app: App, bank: Bank, facts: Facts  # noqa: F811
) -> None:
    facts.source("ads_one", currency="GBP")
    done = rates.refresh(app, WHO, facts.org.id)
    assert done == rates.Refreshed(3, ("GBP", "USD"), ())
    assert stored(app, facts.org) == {
        ("USD", "EUR", "2026-11-19"): (1_087_600, "ecb_sandbox"),
        ("USD", "EUR", "2026-11-20"): (1_090_100, "ecb_sandbox"),
        ("GBP", "EUR", "2026-11-20"): (834_900, "ecb_sandbox"),
    }
    start = "/service/data/EXR/D.GBP.EUR.SP00.A?format=csvdata&startPeriod="
    assert bank.asked[0].startswith(start)


def test_a_second_refresh_changes_nothing_and_asks_only_for_the_last_days(
    app: App, bank: Bank, facts: Facts  # noqa: F811
) -> None:
    facts.source("ads_one", currency="EUR")
    rates.refresh(app, WHO, facts.org.id)
    before = stored(app, facts.org)
    assert rates.refresh(app, WHO, facts.org.id).stored == 0
    assert stored(app, facts.org) == before
    assert "startPeriod=2026-11-13" in bank.asked[-1]


def test_a_corrected_figure_is_taken_over(
    app: App, bank: Bank, facts: Facts  # noqa: F811
) -> None:
    facts.source("ads_one", currency="EUR")
    rates.refresh(app, WHO, facts.org.id)
    bank.figures["USD"]["2026-11-20"] = "1.0911"
    assert rates.refresh(app, WHO, facts.org.id).stored == 1
    assert stored(app, facts.org)["USD", "EUR", "2026-11-20"] == (1_091_100, "ecb_sandbox")


def test_one_currency_needs_no_bank(app: App, bank: Bank, facts: Facts) -> None:  # noqa: F811
    facts.source("ads_one", currency="USD")
    assert rates.refresh(app, WHO, facts.org.id) == rates.Refreshed(0, (), ())
    assert bank.asked == []


def test_a_currency_the_bank_does_not_publish_is_named(
    app: App, bank: Bank, facts: Facts  # noqa: F811
) -> None:
    facts.source("ads_one", currency="VND")
    done = rates.refresh(app, WHO, facts.org.id)
    assert done.unpublished == ("VND",)
    assert done.currencies == ("USD",)


@pytest.mark.parametrize(
    "answer",
    [(500, "oops"), (200, "<html>sign in</html>"), (302, ""),
     (200, HEAD + "k,D,USD,EUR,S,A,2026-11-19,abc,A,t"),
     (200, HEAD + "k,D,USD,EUR,S,A,2026-13-45,1.1,A,t")],
)
def test_a_wrong_answer_stores_nothing_and_says_what_to_do(
    app: App, bank: Bank, facts: Facts, answer: tuple[int, str]  # noqa: F811
) -> None:
    facts.source("ads_one", currency="EUR")
    bank.answer = answer
    with pytest.raises(Retry) as caught:
        rates.refresh(app, WHO, facts.org.id)
    assert "by hand" in caught.value.fix
    assert stored(app, facts.org) == {}


def test_a_bank_that_is_not_there_is_a_retry(
    app: App, facts: Facts, make_settings: Callable[..., Any], free_port: int  # noqa: F811
) -> None:
    app.settings = make_settings(
        DATABASE_URL=app.db.url, LIFTOS_BASE_URL_ECB=f"http://127.0.0.1:{free_port}"
    )
    facts.source("ads_one", currency="EUR")
    with pytest.raises(Retry):
        rates.refresh(app, WHO, facts.org.id)


def test_days_without_a_figure_are_left_out() -> None:
    text = HEAD + "k,D,USD,EUR,S,A,2026-11-19,,A,t\nk,D,USD,EUR,S,A,2026-11-20,NaN,A,t\n"
    assert rates.parse(text) == {}
    assert rates.parse("") == {}
    assert rates.parse("\n") == {}


def test_demo_rates_come_from_the_sandbox_and_live_ones_from_the_bank(app: App) -> None:
    assert rates.address(app, Provenance.LIVE) == "https://data-api.ecb.europa.eu"
    assert rates.address(app, Provenance.DEMO) == f"{app.settings.self_url}/sandbox/ecb"


def test_the_banks_figures_replace_the_sandboxs_and_never_what_was_entered(
    app: App, bank: Bank, facts: Facts, open_ctx: Open  # noqa: F811
) -> None:
    facts.source("ads_one", currency="EUR", provenance=Provenance.LIVE)
    facts.rate("11-20", "USD", "EUR", "9", source="ecb_sandbox")
    with open_ctx(write=True) as ctx:
        rates.enter(ctx, day=d("11-19"), source="EUR", target="USD", rate="1.5")
    rates.refresh(app, WHO, facts.org.id)
    assert stored(app, facts.org) == {
        ("USD", "EUR", "2026-11-19"): (1_500_000, "manual"),
        ("USD", "EUR", "2026-11-20"): (1_090_100, "ecb"),
    }


def test_a_rate_by_hand_is_stored_audited_and_can_be_taken_back(
    facts: Facts, open_ctx: Open, app: App  # noqa: F811
) -> None:
    with open_ctx(write=True) as ctx:
        rates.enter(ctx, day=d("11-19"), source="EUR", target="USD", rate=" 1.10 ")
    with open_ctx(write=True) as ctx:
        rates.enter(ctx, day=d("11-19"), source="EUR", target="USD", rate="1.2")
    assert stored(app, facts.org) == {("USD", "EUR", "2026-11-19"): (1_200_000, "manual")}
    with open_ctx(write=True) as ctx:
        assert [r.rate for r in rates.latest(ctx)] == [1_200_000]
        rates.remove(ctx, day=d("11-19"), source="EUR", target="USD")
    assert stored(app, facts.org) == {}
    with app.db.read() as session:
        acts = [(a.action, a.data.get("before")) for a in session.exec(select(AuditEntry)).all()]
    assert [a for a, _ in acts] == ["rate.entered", "rate.entered", "rate.removed"]
    assert acts[1][1] == 1_100_000


def test_fetched_rates_are_not_removed(facts: Facts, open_ctx: Open) -> None:  # noqa: F811
    facts.rate("11-19", "USD", "EUR", "1.1", source="ecb")
    with open_ctx(write=True) as ctx:
        with pytest.raises(Conflict):
            rates.remove(ctx, day=d("11-19"), source="EUR", target="USD")
        with pytest.raises(Missing):
            rates.remove(ctx, day=d("11-18"), source="EUR", target="USD")


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"rate": "0"}, "rate"), ({"rate": "-1"}, "rate"), ({"rate": "abc"}, "rate"),
        ({"rate": "1e400"}, "rate"), ({"rate": "NaN"}, "rate"), ({"rate": "0.0000394"}, "rate"),
        ({"source": "EURO"}, "source"), ({"target": "<b>"}, "target"), ({"target": "EUR"}, "day"),
        ({"day": dt.date(2026, 12, 1)}, "day"),
    ],
)
def test_wrong_rates_are_refused_and_nothing_is_stored(
    facts: Facts, open_ctx: Open, app: App, wrong: dict[str, Any], field: str  # noqa: F811
) -> None:
    good: dict[str, Any] = {"day": d("11-19"), "source": "EUR", "target": "USD", "rate": "1.1"}
    with open_ctx(write=True) as ctx, pytest.raises(Invalid) as caught:
        rates.enter(ctx, **{**good, **wrong})
    assert caught.value.facts["field"] == field
    assert stored(app, facts.org) == {}


def test_a_manager_may_not_enter_rates(facts: Facts, open_ctx: Open) -> None:  # noqa: F811
    with open_ctx(Role.MANAGER, write=True) as ctx, pytest.raises(Denied):
        rates.enter(ctx, day=d("11-19"), source="EUR", target="USD", rate="1.1")
