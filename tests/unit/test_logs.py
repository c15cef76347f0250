"""Logs: one line each, and twelve planted secrets that no line may show."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from liftos_app.config import ROOT, Settings
from liftos_app.services import logs
from liftos_app.services.secret import Secret

JWT = "eyJhbGciOiJIUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJlLWNhbmFyeQ"


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def logger(stream: io.StringIO) -> Iterator[logging.Logger]:
    """A logger that writes through our filter and form, apart from the others."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.JsonLines())
    handler.addFilter(logs.RedactionFilter())
    found = logging.getLogger("test.logs")
    found.handlers, found.propagate = [handler], False
    found.setLevel(logging.DEBUG)
    yield found
    found.handlers, found.propagate = [], True


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def fail(error: Exception) -> None:
    raise error


def log_failure(logger: logging.Logger, error: Exception) -> None:
    try:
        fail(error)
    except Exception:
        logger.exception("failed", stack_info=True)


# text as it might be logged -> what must not stay of it
PLANTED = {
    "bearer": ("Authorization: Bearer canary.abc-123_x", "canary"),
    "basic": ("authorization=Basic Y2FuYXJ5OmNhbmFyeQ==", "Y2FuYXJ5"),
    "jwt": (f"token refused: {JWT} at 12:00", "eyJ"),
    "klaviyo": ("header Klaviyo-API-Key pk_0123456789abcdef0123", "pk_0123456789"),
    "shopify": ("shop answered with shpat_0123456789abcdef0123456789abcdef", "shpat_0123"),
    "meta": ("GET /me?access_token=EAACcanary0123456789abcdefghij&x=1", "EAACcanary"),
    "google access": ("ya29.a0AfB_canary-0123456789", "ya29"),
    "google refresh": ("got 1//0canary-0123456789_abc", "canary"),
    "google secret": ("client GOCSPX-canary0123456789", "GOCSPX-canary"),
    "query code": ("GET /oauth/callback/shopify?code=canary123&state=canary456 303", "canary"),
    "json": ('{"access_token": "canary-1", "refresh_token":"canary-2", "expires_in": 3}', "canary"),
    "repr": ("{'client_secret': 'canary-1', 'password': 'can\\'ary-2'}", "ary-"),
    "form": ("grant_type=password&username=a&password=canary-1&client_secret=canary-2", "canary"),
    "cookie": ("Cookie: liftos_sid=canary; theme=dark", "canary"),
    "set-cookie": ("set-cookie: __Host-liftos_sid=canary; HttpOnly", "canary"),
    "database": ("connect postgresql+psycopg://liftos:canary@db:5432/liftos failed", "canary"),
    "redis": ("redis://:canary@cache:6379", "canary"),
    "webhook": ("secret whsec_canary0123456789", "canary"),
    "api key": ("X-API-Key: canary-0123456789", "canary"),
    "own key": ("lft_abc_canary0123456789", "canary"),
    "sealed": ("lv1.0f8fad5b-d9cb-469f-a165-70867728950e.canaryAAAA", "canary"),
    "hmac": ("GET /cb?shop=x.myshopify.com&hmac=canary0123", "canary"),
    "header dict": ("{'X-Shopify-Access-Token': 'canary', 'Accept': '*/*'}", "canary"),
    "json in json": ('{"body": "{\\"access_token\\": \\"canary-1\\", \\"a\\": 1}"}', "canary"),
    "secret key": ("JWT_SECRET_KEY=canary-0123456789 in the environment", "canary"),
    "quotes inside": ("""{"password": "can"ary-1", "x": 1}""", "ary-1"),
    "developer token": ("developer-token: canary-01", "canary"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_secret_in_a_message_is_masked(
    logger: logging.Logger, stream: io.StringIO, name: str
) -> None:
    message, secret = PLANTED[name]
    logger.info(message)
    logger.info("said %s twice %s", message, {"text": message})
    logger.info("event", extra={"detail": message, "deep": [{"more": (message,)}]})
    log_failure(logger, RuntimeError(message))
    assert secret not in stream.getvalue()
    assert len(lines(stream)) == 4


@pytest.mark.parametrize(
    "message",
    [
        "sync.finished rows=1200 state=succeeded",
        "GET /connections?step=2&platform=shopify 200",
        "The platform answered 429; waiting until 14:05.",
        "https://graph.facebook.com/v26.0/me?fields=id,name",
        "stream campaign_daily, key (account_id, campaign_id, date)",
        "primary key of fact_daily",
        "token bucket has 3 left",
        "0f8fad5b-d9cb-469f-a165-70867728950e",
        "expires_in: 3600",
        "password was changed",
        "the secret of good coffee",
    ],
)
def test_ordinary_text_stays_as_it_is(message: str) -> None:
    assert logs.redact(message) == message


def test_fields_are_masked_by_their_name(logger: logging.Logger, stream: io.StringIO) -> None:
    logger.info(
        "event",
        extra={
            "access_token": "canary",
            "password": "canary",
            "client_secret": "canary",
            "headers": {"Authorization": "canary", "Cookie": "canary", "Accept": "json"},
            "api_key": 12345,
            "token_type": "bearer",
            "state": "running",
            "code": "denied",
            "rows": 3,
            "share": 0.5,
            "none": None,
            "ok": True,
            "tokens_left": 5,
        },
    )
    (line,) = lines(stream)
    assert "canary" not in stream.getvalue()
    assert "12345" not in stream.getvalue()
    assert line["headers"] == {
        "Authorization": logs.MASK,
        "Cookie": logs.MASK,
        "Accept": "json",
    }
    assert (line["token_type"], line["state"], line["code"]) == ("bearer", "running", "denied")
    assert (line["rows"], line["share"], line["none"], line["ok"]) == (3, 0.5, None, True)
    assert line["tokens_left"] == 5


def test_the_value_of_any_living_secret_is_masked_wherever_it_stands(
    logger: logging.Logger, stream: io.StringIO
) -> None:
    secret = Secret("plain words without shape")
    logger.info("the url held plain words without shape", extra={"x": secret, "y": [secret]})
    assert "plain words" not in stream.getvalue()
    short = Secret("rows")
    logger.info("rows")  # too short to be masked by value
    assert lines(stream)[1]["event"] == "rows"
    del secret, short
    logger.info("plain words without shape")
    assert lines(stream)[2]["event"] == "plain words without shape"


def test_one_record_is_one_line_whatever_it_holds(
    logger: logging.Logger, stream: io.StringIO
) -> None:
    nasty = 'a\nb\r\nc\x00\x1b[31m{"level":"info"}\u2028\u2029\x85 é \U0001f511'
    logger.warning(nasty, extra={"name_of\nfield": nasty})
    log_failure(logger, ValueError(nasty))
    text = stream.getvalue()
    assert len(text.splitlines()) == 2
    assert text.isascii()
    assert "\x1b" not in text
    found = lines(stream)
    assert found[0]["event"] == nasty
    assert found[0]["level"] == "warning"
    assert "ValueError" in found[1]["trace"]
    assert found[1]["stack"]


def test_a_line_names_time_level_event_and_logger(
    logger: logging.Logger, stream: io.StringIO
) -> None:
    logger.info("sync.finished", extra={"rows": 3})
    (line,) = lines(stream)
    assert line["at"].endswith("+00:00")
    assert (line["level"], line["event"], line["logger"], line["rows"]) == (
        "info",
        "sync.finished",
        "test.logs",
        3,
    )


def test_records_that_do_not_fit_their_arguments_are_still_written(
    logger: logging.Logger, stream: io.StringIO
) -> None:
    logger.handle(logger.makeRecord("x", logging.INFO, "x", 1, "two %s %s", ("one",), None))

    class Broken:
        def __str__(self) -> str:
            return "password=canary"

    logger.info("event", extra={"thing": Broken()})
    assert [line["event"] for line in lines(stream)] == ["two %s %s", "event"]
    assert "canary" not in stream.getvalue()


@pytest.mark.timeout(60)
def test_huge_texts_are_cut_and_do_not_take_for_ever() -> None:
    for piece in (
        "a" * 5_000_000,
        "token=" * 500_000,
        '"' * 1_000_000,
        "?code=" * 300_000,
        "eyJ" * 300_000,
        "://" * 300_000,
        "x_" * 1_000_000,
        "\\" * 1_000_000,
    ):
        assert len(logs.redact(piece)) < 3 * logs.LONGEST


def test_setting_up_takes_over_what_libraries_brought(
    make_settings: Callable[..., Settings],
) -> None:
    """In a process of its own, because logging is one for all."""
    script = """
import logging, os, sys, warnings
for name in ("granian.access", "uvicorn.error", "sqlalchemy.engine"):
    logging.getLogger(name).addHandler(logging.StreamHandler(sys.stdout))
    logging.getLogger(name).propagate = False
from liftos_app import config
from liftos_app.services import logs
settings = config.load()
kept = logs.protect(settings)
logs.set_up(settings)
logging.getLogger("granian.access").info("GET /?code=canary-2")
logging.getLogger("uvicorn.error").error("late " + settings.jwt_secret_key)
logging.getLogger("httpx").info("noise")
logging.getLogger("liftos_app.x").debug("hidden")
logging.getLogger("liftos_app.x").info("shown", extra={"url": settings.database_url})
warnings.warn("token=canary-3")
"""
    settings = make_settings()
    env = {
        "PATH": "",
        "LIFTOS_HOME": str(settings.home),
        "JWT_SECRET_KEY": settings.jwt_secret_key,
        "DATABASE_URL": "postgresql://u:canary-4@127.0.0.1:1/x",
    }
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "canary" not in done.stdout + done.stderr
    assert settings.jwt_secret_key not in done.stdout + done.stderr
    events = [json.loads(line)["event"] for line in done.stderr.splitlines()]
    assert [e.split(" ")[0] for e in events[:3]] == ["GET", "late", "shown"]
    assert len(events) == 4  # and the warning
    assert done.stdout == ""
