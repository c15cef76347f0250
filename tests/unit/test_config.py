"""Settings: defaults that work, secrets made once, and one sentence for each wrong value."""

from __future__ import annotations

import base64
import stat
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liftos_app import config
from liftos_app.config import EMAIL, ConfigError, Settings, parse_master_keys
from liftos_app.errors import Invalid
from liftos_app.services import accounts

JWT = "test-only-0123456789-abcdefghijklmnopqrstuvwxyz"
KEY = base64.b64encode(bytes(range(32))).decode()
HOME = "LIFTOS_HOME"


def load(home: Path, **env: str) -> Settings:
    return config.load({HOME: str(home), **env})


def refusal(home: Path, **env: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(home, **env)
    return str(caught.value)


# -- defaults ------------------------------------------------------------------------------------


def test_a_fresh_clone_needs_no_variable(tmp_path: Path) -> None:
    settings = load(tmp_path)
    assert settings.database_url == f"sqlite:///{tmp_path / 'liftos.db'}"
    assert settings.is_sqlite
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.public_url == settings.self_url.replace("127.0.0.1", "localhost")
    assert settings.demo_mode
    assert settings.auth_required
    assert settings.loopback_only
    assert not settings.secure_cookies
    assert settings.origins == (
        "http://localhost:8000",
        "http://127.0.0.1:8000",
        "http://[::1]:8000",
    )
    assert (settings.log_level, settings.debug, settings.redis_url) == ("INFO", False, "")
    assert settings.generated == ("JWT_SECRET_KEY", "API_VAULT_MASTER_KEY")


def test_generated_secrets_are_private_and_stay(tmp_path: Path) -> None:
    first, second = load(tmp_path), load(tmp_path)
    assert second.jwt_secret_key == first.jwt_secret_key
    assert second.master_keys == first.master_keys
    assert second.generated == ()
    keys = sorted((tmp_path / "keys").iterdir())
    assert [k.name for k in keys] == ["api_vault_master_key", "jwt_secret_key"]
    assert {stat.S_IMODE(k.stat().st_mode) for k in keys} == {0o600}
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    assert load(tmp_path / "other").jwt_secret_key != first.jwt_secret_key


def test_starts_at_the_same_moment_agree_on_the_secrets(tmp_path: Path) -> None:
    found: list[Settings] = []
    threads = [threading.Thread(target=lambda: found.append(load(tmp_path))) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({(s.jwt_secret_key, s.master_keys) for s in found}) == 1
    assert sum("JWT_SECRET_KEY" in s.generated for s in found) == 1
    assert not [p for p in (tmp_path / "keys").iterdir() if p.name.startswith(".")]


def test_given_secrets_are_used_and_nothing_is_written(tmp_path: Path) -> None:
    settings = load(tmp_path, JWT_SECRET_KEY=JWT, API_VAULT_MASTER_KEY=f"a:{KEY}")
    assert settings.jwt_secret_key == JWT
    assert settings.generated == ()
    assert not (tmp_path / "keys").exists()


def test_nothing_secret_shows_when_settings_are_printed(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        JWT_SECRET_KEY=JWT,
        API_VAULT_MASTER_KEY=f"a:{KEY}",
        LIFTOS_ADMIN_EMAIL="a@b.example",
        LIFTOS_ADMIN_PASSWORD="canary-password",
    )
    shown = repr(settings) + str(settings)
    for secret in (JWT, KEY, "canary-password", repr(settings.master_keys[0].key)):
        assert secret not in shown


def test_a_home_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    said = refusal(tmp_path / "file")
    assert "JWT_SECRET_KEY" in said
    assert "LIFTOS_HOME" in said


def test_L56_an_emptied_key_file_stops_the_start_and_is_not_replaced(tmp_path: Path) -> None:
    load(tmp_path)
    (tmp_path / "keys" / "api_vault_master_key").write_text("", encoding="utf-8")
    assert "API_VAULT_MASTER_KEY" in refusal(tmp_path)
    assert (tmp_path / "keys" / "api_vault_master_key").read_text(encoding="utf-8") == ""


# -- wrong values --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "0"),
        ("PORT", "65536"),
        ("PORT", "80a"),
        ("PORT", "-1"),
        ("PORT", "9" * 6000),
        ("PORT", "٨٠٠٠"),
        ("PORT", "8000.0"),
        ("DEMO_MODE", "maybe"),
        ("REQUIRE_AUTH", "2"),
        ("PREFER_LIVE_DATA", "x"),
        ("FALLBACK_TO_MOCK", "x"),
        ("AUTO_SYNC_ENABLED", "x"),
        ("ENABLE_CAUSAL", "x"),
        ("ENABLE_SURFACING", "x"),
        ("ENABLE_LLM", "x"),
        ("ENABLE_EXPERIMENTS", "x"),
        ("ENABLE_MEMORY", "x"),
        ("DEBUG", "x"),
        ("ENABLE_REQUEST_LOGGING", "x"),
        ("LOG_LEVEL", "LOUD"),
        ("DATABASE_URL", "mysql://x"),
        ("DATABASE_URL", "liftos.db"),
        ("DATABASE_URL", "sqlite://"),
        ("DATABASE_URL", "sqlite:///"),
        ("DATABASE_URL", "sqlite:///:memory:"),
        ("DATABASE_URL", "sqlite:///file:x?mode=memory"),
        ("DATABASE_URL", "sqlite://liftos.db"),
        ("DATABASE_URL", "postgresql://u:p@host:port/x"),
        ("DATABASE_URL", "postgresql://[::1/x"),
        ("REDIS_URL", "localhost:6379"),
        ("REDIS_URL", "http://x"),
        ("LIFTOS_PUBLIC_URL", "liftos.example.com"),
        ("LIFTOS_PUBLIC_URL", "ftp://x"),
        ("LIFTOS_PUBLIC_URL", "http://"),
        ("LIFTOS_PUBLIC_URL", "http://["),
        ("LIFTOS_PUBLIC_URL", "http://x:99999"),
        ("LIFTOS_PUBLIC_URL", "http://x:y"),
        ("LIFTOS_PUBLIC_URL", "http://u:p@x"),
        ("LIFTOS_PUBLIC_URL", "http://x/?a=1"),
        ("LIFTOS_PUBLIC_URL", "http://x/liftos"),
        ("LIFTOS_PUBLIC_URL", "http://x y"),
        ("LIFTOS_PUBLIC_URL", "http://" + "a" * 70 + ".example"),
        ("LIFTOS_BASE_URL_SHOPIFY", "shop.example"),
        ("LIFTOS_BASE_URL_META_BUSINESS", "file:///x"),
        ("LIFTOS_SMTP_URL", "mail.example.com"),
        ("LIFTOS_MAIL_FROM", "liftos"),
        ("JWT_SECRET_KEY", "short"),
        ("JWT_SECRET_KEY", "a" * 64),
        ("JWT_SECRET_KEY", "your_secure_jwt_secret_key"),
        ("JWT_SECRET_KEY", "YOUR_SECURE_jwt_secret_key_0123456789"),
        ("API_VAULT_MASTER_KEY", "short"),
        ("API_VAULT_MASTER_KEY", "changeme"),
        ("API_VAULT_MASTER_KEY", base64.b64encode(bytes(32)).decode()),
        ("API_VAULT_MASTER_KEY", "00" * 32),
        ("API_VAULT_MASTER_KEY", ","),
        ("API_VAULT_MASTER_KEY", f"a:{KEY},a:{KEY}"),
        ("API_VAULT_MASTER_KEY", f"Key One:{KEY}"),
        ("API_VAULT_MASTER_KEY", f"{'k' * 17}:{KEY}"),
        ("API_VAULT_MASTER_KEY", "a:"),
        ("LIFTOS_ADMIN_EMAIL", "a@b.example"),
        ("LIFTOS_ADMIN_PASSWORD", "kettle violin harbour"),
    ],
)
def test_a_wrong_value_is_one_sentence_that_names_its_variable(
    tmp_path: Path, name: str, value: str
) -> None:
    said = refusal(tmp_path, **{name: value})
    assert name in said or (name.startswith("LIFTOS_ADMIN") and "LIFTOS_ADMIN" in said)
    assert "\n" not in said
    assert len(said) < 300
    assert said.endswith((".", "32"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "canary-secret-value"),
        ("DATABASE_URL", "mysql://u:canary-secret@h/d"),
        ("DATABASE_URL", "postgresql://u:canary-secret@h:x/d"),
        ("JWT_SECRET_KEY", "canary-secret"),
        ("API_VAULT_MASTER_KEY", "canary-secret"),
        ("REDIS_URL", "canary-secret"),
        ("LIFTOS_SMTP_URL", "smtp://ann:canary-secret@mail.example.com/x"),
        ("LIFTOS_ADMIN_PASSWORD", "canary-secret"),
    ],
)
def test_a_refusal_never_repeats_a_secret(tmp_path: Path, name: str, value: str) -> None:
    assert "canary" not in refusal(tmp_path, **{name: value})


@pytest.mark.parametrize("email", ["not one", "<ann@example.com>", "ann@", "a@b@c"])
def test_an_admin_address_that_is_none_is_named(tmp_path: Path, email: str) -> None:
    said = refusal(tmp_path, LIFTOS_ADMIN_EMAIL=email, LIFTOS_ADMIN_PASSWORD="x" * 20)
    with pytest.raises(Invalid):
        accounts.clean_email(email)
    assert said == "LIFTOS_ADMIN_EMAIL is not an e-mail address."


def test_a_host_without_a_dot_is_an_address_everywhere() -> None:
    assert EMAIL.fullmatch("mara@bright")
    assert accounts.clean_email(" mara@bright ") == "mara@bright"


# -- right values --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_", "stored"),
    [
        ("sqlite:////data/liftos.db", "sqlite:////data/liftos.db"),
        ("sqlite+aiosqlite:///x.db", "sqlite:///x.db"),
        ("postgres://u:p@h/d", "postgresql+psycopg://u:p@h/d"),
        (
            "postgresql+asyncpg://u:p%40x@h:5433/d?sslmode=require",
            "postgresql+psycopg://u:p%40x@h:5433/d?sslmode=require",
        ),
        ("POSTGRESQL://h/d", "postgresql+psycopg://h/d"),
        ("postgresql:///d?host=/var/run", "postgresql+psycopg:///d?host=/var/run"),
    ],
)
def test_database_addresses_become_synchronous_ones(
    tmp_path: Path, given_: str, stored: str
) -> None:
    assert load(tmp_path, DATABASE_URL=given_).database_url == stored


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", True),
        ("TRUE", True),
        ("yes", True),
        ("On", True),
        ("0", False),
        ("False", False),
        ("no", False),
        ("off", False),
        (" true ", True),
    ],
)
def test_switches_read_the_usual_words(tmp_path: Path, text: str, *, value: bool) -> None:
    assert load(tmp_path, DEBUG=text).debug is value


def test_an_empty_variable_is_one_that_is_not_set(tmp_path: Path) -> None:
    names = [
        "DATABASE_URL",
        "REDIS_URL",
        "JWT_SECRET_KEY",
        "API_VAULT_MASTER_KEY",
        "DEMO_MODE",
        "PORT",
        "LIFTOS_PUBLIC_URL",
        "LIFTOS_HOST",
        "LOG_LEVEL",
        "LIFTOS_ADMIN_EMAIL",
        "LIFTOS_BASE_URL_SHOPIFY",
    ]
    assert load(tmp_path, **dict.fromkeys(names, "")).port == 8000


@pytest.mark.parametrize(
    ("given_", "origin", "secure"),
    [
        ("https://liftos.example.com/", "https://liftos.example.com", True),
        ("HTTPS://LiftOS.Example.com:443", "https://liftos.example.com", True),
        ("http://Example.com:80", "http://example.com", False),
        ("https://example.com:8443", "https://example.com:8443", True),
        ("http://[::1]:9000", "http://[::1]:9000", False),
        ("https://bücher.example", "https://xn--bcher-kva.example", True),
    ],
)
def test_the_public_address_is_kept_as_browsers_write_it(
    tmp_path: Path, given_: str, origin: str, *, secure: bool
) -> None:
    settings = load(tmp_path, LIFTOS_PUBLIC_URL=given_)
    assert (settings.public_url, settings.origins) == (origin, (origin,))
    assert settings.secure_cookies is secure


def test_on_port_80_origins_carry_no_port(tmp_path: Path) -> None:
    assert "http://localhost" in load(tmp_path, PORT="80").origins


def test_an_origin_is_chosen_from_our_own_never_from_the_host_header(tmp_path: Path) -> None:
    settings = load(tmp_path, PORT="8123")
    assert settings.origin_for("127.0.0.1:8123") == "http://127.0.0.1:8123"
    assert settings.origin_for("LOCALHOST:8123") == "http://localhost:8123"
    for host in ("evil.example", "127.0.0.1:9", "", "127.0.0.1:8123@evil.example"):
        assert settings.origin_for(host) == "http://localhost:8123"


@pytest.mark.parametrize(
    ("env", "required"),
    [
        ({}, True),
        ({"REQUIRE_AUTH": "false"}, False),
        ({"REQUIRE_AUTH": "false", "LIFTOS_HOST": "localhost"}, False),
        ({"REQUIRE_AUTH": "false", "LIFTOS_HOST": "::1"}, False),
        ({"REQUIRE_AUTH": "false", "LIFTOS_HOST": "192.0.2.1"}, True),
        ({"REQUIRE_AUTH": "false", "LIFTOS_HOST": "::"}, True),
        ({"REQUIRE_AUTH": "false", "DEMO_MODE": "false"}, True),
    ],
)
def test_sign_in_is_left_out_only_in_demo_mode_on_this_machine(
    tmp_path: Path, env: dict[str, str], *, required: bool
) -> None:
    assert load(tmp_path, **env).auth_required is required


def test_platform_addresses_are_keyed_by_platform(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        LIFTOS_BASE_URL_META_BUSINESS="http://127.0.0.1:9/x/",
        LIFTOS_BASE_URL_SHOPIFY="http://{shop}.localhost:1",
    )
    assert dict(settings.platform_urls) == {
        "meta_business": "http://127.0.0.1:9/x",
        "shopify": "http://{shop}.localhost:1",
    }


def test_our_own_address_is_reachable_also_when_bound_to_everything(tmp_path: Path) -> None:
    assert load(tmp_path, LIFTOS_HOST="::", PORT="9").self_url == "http://127.0.0.1:9"
    assert load(tmp_path, LIFTOS_HOST="::1", PORT="9").self_url == "http://[::1]:9"


# -- master keys ---------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [
    "short", "a" * 64, "password" * 8, "changeme", "your_secure_vault_master_key_0123456789",
    "00" * 32, "ab" * 32, bytes(32).hex(), base64.b64encode(bytes(32)).decode(),
    base64.b64encode(b"0123456789" * 3 + b"01").decode(), f"old:{KEY},new:changeme", ":", ",",
])
def test_L56_a_short_known_or_regular_master_key_stops_the_start(tmp_path: Path, key: str) -> None:
    assert "API_VAULT_MASTER_KEY" in refusal(tmp_path, API_VAULT_MASTER_KEY=key)


def test_L56_no_setting_leaves_the_vault_without_a_key(tmp_path: Path) -> None:
    """Unset or empty, a random one is made and kept; there is no mode without."""
    for more in ({}, {"API_VAULT_MASTER_KEY": ""}):
        (made,) = load(tmp_path, **more).master_keys
        assert len(set(made.key)) >= 16


def test_master_keys_come_in_base64_hex_or_as_a_long_text() -> None:
    raw = bytes(range(32))
    urlsafe = base64.urlsafe_b64encode(raw).decode()
    for text in (KEY, urlsafe, urlsafe.rstrip("="), raw.hex(), raw.hex().upper(), f"k1:{KEY}"):
        (one,) = parse_master_keys(text)
        assert (one.kid, one.key) == ("k1", raw)
    (typed,) = parse_master_keys("a long sentence that somebody typed by hand once")
    assert len(typed.key) == 32


def test_the_first_master_key_is_the_active_one() -> None:
    other = base64.b64encode(bytes(range(100, 132))).decode()
    found = parse_master_keys(f" new:{other} , old:{KEY} ,")
    assert [k.kid for k in found] == ["new", "old"]
    assert [k.kid for k in parse_master_keys(f"{other},{KEY}")] == ["k1", "k2"]


@given(st.binary(min_size=32, max_size=32).filter(lambda b: len(set(b)) >= 16))
def test_any_random_key_is_taken_as_its_own_bytes(raw: bytes) -> None:
    for text in (base64.b64encode(raw), base64.urlsafe_b64encode(raw)):
        assert parse_master_keys(text.decode())[0].key == raw


@given(st.text(max_size=200))
def test_any_text_is_a_key_or_a_named_refusal(text: str) -> None:
    try:
        assert all(len(k.key) == 32 for k in parse_master_keys(text))
    except ConfigError as error:
        assert "API_VAULT_MASTER_KEY" in str(error)


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "PORT",
                "DATABASE_URL",
                "LIFTOS_PUBLIC_URL",
                "REDIS_URL",
                "LOG_LEVEL",
                "DEMO_MODE",
                "LIFTOS_BASE_URL_X",
                "LIFTOS_SMTP_URL",
                "LIFTOS_MAIL_FROM",
                "JWT_SECRET_KEY",
            ]
        ),
        st.text(max_size=60).filter(lambda t: "\x00" not in t),
    )
)
def test_no_environment_breaks_in_another_way(env: dict[str, str]) -> None:
    base = {HOME: "unused", "JWT_SECRET_KEY": JWT, "API_VAULT_MASTER_KEY": KEY}
    try:
        config.load({**base, **env}, keep_secrets=False)
    except ConfigError as error:
        mail = any(name in {"LIFTOS_SMTP_URL", "LIFTOS_MAIL_FROM"} for name in env)
        assert any(name in str(error) for name in env) or (mail and "mail needs" in str(error))
