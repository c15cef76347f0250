"""Settings: read once from the environment, checked, frozen.

An invalid value raises `ConfigError` with one sentence that names the variable. Secrets that are
not given are generated once and kept with mode 0600 under `LIFTOS_HOME/keys`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from liftos_app import config_mail
from liftos_app.config_mail import Smtp

T = TypeVar("T")
ROOT = Path(__file__).resolve().parent.parent
PLATFORM_URL_PREFIX = "LIFTOS_BASE_URL_"
SHORTEST_PASSWORD = 15
HOURLY_LIMITS = {"connections": 100, "sync": 50, "analytics": 1000}  # RATE_LIMIT_<CATEGORY>
# One rule for all forms and settings. A host without a dot is one: mail of a private network.
EMAIL = re.compile(r"[^@\s\x00-\x1f<>\"]{1,64}@[^@\s\x00-\x1f<>\"]{1,189}")
_PLACEHOLDERS = {
    "your_secure_jwt_secret_key", "your_secure_master_key", "your_encryption_key", "changeme",
    "secret", "password",
}


class ConfigError(Exception):
    """An environment variable cannot be used; the text names it and says what would be right."""


@dataclass(frozen=True, slots=True)
class MasterKey:
    """One vault master key: `kid` is its public name, `key` 32 secret bytes."""

    kid: str
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything an operator can set. One comment per field; docs/configuration.md lists them."""

    database_url: str  # DATABASE_URL, normalised to a synchronous SQLAlchemy URL
    redis_url: str  # REDIS_URL, empty: one process, state in memory
    jwt_secret_key: str = field(repr=False)  # JWT_SECRET_KEY, signs access tokens of the REST API
    master_keys: tuple[MasterKey, ...] = field(repr=False)  # API_VAULT_MASTER_KEY, first is active
    demo_mode: bool  # DEMO_MODE, serves the sandbox and lets connections use it
    require_auth: bool  # REQUIRE_AUTH, false only in demo mode on a loopback bind
    prefer_live_data: bool  # PREFER_LIVE_DATA, live rows are shown when an organization has both
    fallback_to_mock: bool  # FALLBACK_TO_MOCK, marked demo figures while live ones fail
    auto_sync_enabled: bool  # AUTO_SYNC_ENABLED, schedules fire
    enable_causal: bool  # ENABLE_CAUSAL, lift estimates
    enable_surfacing: bool  # ENABLE_SURFACING, insight detectors
    enable_llm: bool  # ENABLE_LLM, questions answered with a language model
    enable_experiments: bool  # ENABLE_EXPERIMENTS, experiment planning
    enable_memory: bool  # ENABLE_MEMORY, notes worth keeping
    log_level: str  # LOG_LEVEL, DEBUG INFO WARNING ERROR
    debug: bool  # DEBUG, more detail in logs, never in answers
    enable_request_logging: bool  # ENABLE_REQUEST_LOGGING, one line per HTTP request
    host: str  # LIFTOS_HOST, the address to bind
    port: int  # PORT
    home: Path  # LIFTOS_HOME, embedded database, generated keys, backups
    public_url: str  # LIFTOS_PUBLIC_URL, without a trailing slash
    public_url_given: bool  # whether the operator named it; else loopback names are equal
    admin_email: str  # LIFTOS_ADMIN_EMAIL, first administrator when there is none
    admin_password: str = field(repr=False)  # LIFTOS_ADMIN_PASSWORD
    platform_urls: Mapping[str, str]  # LIFTOS_BASE_URL_<PLATFORM_ID>, keyed by lower-case id
    backup_keys: tuple[MasterKey, ...] = field(default=(), repr=False)  # LIFTOS_BACKUP_KEY
    require_mfa: str = "admins"  # REQUIRE_MFA, who needs a second factor: admins, everyone, nobody
    trusted_proxy_hops: int = 0  # TRUSTED_PROXY_HOPS, proxies of ours that add X-Forwarded-For
    hourly_limits: Mapping[str, int] = field(default_factory=lambda: dict(HOURLY_LIMITS))
    oidc_issuer: str = ""  # OIDC_ISSUER, sign-in with an OpenID Connect provider
    oidc_client_id: str = ""  # OIDC_CLIENT_ID
    oidc_client_secret: str = field(default="", repr=False)  # OIDC_CLIENT_SECRET
    smtp: Smtp | None = None  # LIFTOS_SMTP_URL, where mail is handed over; None: none is sent
    mail_from: tuple[str, str] = ("", "")  # LIFTOS_MAIL_FROM, name and address of the sender
    ssrf_allow: tuple[str, ...] = ()  # SSRF_ALLOW, host:port pairs of our network
    generated: tuple[str, ...] = ()  # names of the secrets generated at this start

    @property
    def is_sqlite(self) -> bool:
        """Whether the embedded database is in use."""
        return self.database_url.startswith("sqlite")

    @property
    def loopback_only(self) -> bool:
        """Whether only this machine can reach the port."""
        return config_mail.is_loopback(self.host)

    @property
    def open_to_others(self) -> bool:
        """Whether somebody on another machine may be the first to open the page."""
        named = urlsplit(self.public_url).hostname or ""
        return not self.loopback_only or not config_mail.is_loopback(named)

    @property
    def auth_required(self) -> bool:
        """False only when the operator asked for it, in demo mode, on a loopback bind."""
        return self.require_auth or not self.demo_mode or not self.loopback_only

    @property
    def origins(self) -> tuple[str, ...]:
        """The exact origins a browser may come from."""
        if self.public_url_given:
            return (self.public_url,)
        port = "" if self.port == 80 else f":{self.port}"  # browsers leave the default port out
        return tuple(f"http://{h}{port}" for h in ("localhost", "127.0.0.1", "[::1]"))

    def origin_for(self, host_header: str) -> str:
        """The allowed origin a request came to; any other Host gets the configured address."""
        for origin in self.origins:
            if urlsplit(origin).netloc == host_header.lower():
                return origin
        return self.public_url

    def notices(self) -> list[str]:
        """What the operator should read at start, one sentence each; generated secrets first."""
        said = [
            f"{name} was not set: generated one and kept it in "
            f"{self.home / 'keys' / name.lower()} (mode 0600). Back this folder up."
            for name in self.generated
        ]
        if not self.auth_required:
            said.append("Sign-in is off (REQUIRE_AUTH=false): only this machine can open the page.")
        elif not self.require_auth:
            said.append("REQUIRE_AUTH=false is ignored: it needs demo mode and a loopback address.")
        if self.admin_password and len(self.admin_password) < SHORTEST_PASSWORD:
            said.append(
                f"LIFTOS_ADMIN_PASSWORD has fewer than {SHORTEST_PASSWORD} characters: "
                "change it after the first sign-in."
            )
        return said

    @property
    def secure_cookies(self) -> bool:
        """Whether cookies carry `Secure` and the `__Host-` prefix."""
        return self.public_url.startswith("https://")

    @property
    def self_url(self) -> str:
        """Where this process reaches its own port."""
        everywhere = {"0.0.0.0", "::", "localhost"}  # noqa: S104  # nosec B104
        host = "127.0.0.1" if self.host in everywhere else self.host
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


def load(env: Mapping[str, str] | None = None, *, keep_secrets: bool = True) -> Settings:
    """Read and check the environment. Raises ConfigError."""
    env = os.environ if env is None else env
    home = Path(env.get("LIFTOS_HOME", "").strip() or ROOT / ".liftos").expanduser().resolve()
    port = _port(env)
    host = env.get("LIFTOS_HOST", "").strip() or "127.0.0.1"
    given = env.get("LIFTOS_PUBLIC_URL", "").strip()
    public_url = _origin("LIFTOS_PUBLIC_URL", given or f"http://localhost:{port}")
    generated: list[str] = []

    def secret(name: str) -> str:
        value = env.get(name, "").strip()
        return value or _kept_secret(home, name, generated, keep=keep_secrets)

    jwt_secret = secret("JWT_SECRET_KEY")
    _check_strength("JWT_SECRET_KEY", jwt_secret)
    admin_email, admin_password = _first_admin(env)
    demo_mode = _bool(env, "DEMO_MODE", default=True)
    issuer, client_id, client_secret = _oidc(env)
    smtp, mail_from = _mail(env)
    master_keys = parse_master_keys(secret("API_VAULT_MASTER_KEY"))
    return Settings(
        database_url=_database_url(env.get("DATABASE_URL", ""), home),
        redis_url=_redis_url(env.get("REDIS_URL", "")),
        jwt_secret_key=jwt_secret,
        master_keys=master_keys,
        backup_keys=_backup_keys(env, home, master_keys),
        demo_mode=demo_mode,
        require_auth=_bool(env, "REQUIRE_AUTH", default=True),
        prefer_live_data=_bool(env, "PREFER_LIVE_DATA", default=True),
        fallback_to_mock=_bool(env, "FALLBACK_TO_MOCK", default=False),
        auto_sync_enabled=_bool(env, "AUTO_SYNC_ENABLED", default=True),
        enable_causal=_bool(env, "ENABLE_CAUSAL", default=True),
        enable_surfacing=_bool(env, "ENABLE_SURFACING", default=True),
        enable_llm=_bool(env, "ENABLE_LLM", default=True),
        enable_experiments=_bool(env, "ENABLE_EXPERIMENTS", default=True),
        enable_memory=_bool(env, "ENABLE_MEMORY", default=True),
        log_level=_log_level(env),
        debug=_bool(env, "DEBUG", default=False),
        enable_request_logging=_bool(env, "ENABLE_REQUEST_LOGGING", default=False),
        host=host,
        port=port,
        home=home,
        public_url=public_url,
        public_url_given=bool(given),
        admin_email=admin_email,
        admin_password=admin_password,
        platform_urls=_platform_urls(env),
        require_mfa=_who_needs_mfa(env, default="nobody" if demo_mode else "admins"),
        trusted_proxy_hops=_number(env, "TRUSTED_PROXY_HOPS", default=0, most=5),
        hourly_limits={
            name: _number(env, f"RATE_LIMIT_{name.upper()}", default=usual, most=1_000_000)
            for name, usual in HOURLY_LIMITS.items()
        },
        oidc_issuer=issuer,
        oidc_client_id=client_id,
        oidc_client_secret=client_secret,
        smtp=smtp,
        mail_from=mail_from,
        ssrf_allow=_opened(env),
        generated=tuple(generated),
    )


def _backup_keys(
    env: Mapping[str, str], home: Path, master_keys: tuple[MasterKey, ...]
) -> tuple[MasterKey, ...]:
    """From the environment, else from a file the operator put beside the kept secrets."""
    name = "LIFTOS_BACKUP_KEY"
    text, path = env.get(name, "").strip(), home / "keys" / name.lower()
    try:
        text = text or (path.read_text(encoding="utf-8").strip() if path.exists() else "")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{name} cannot be read from {path} ({type(error).__name__}).") from error
    keys = parse_master_keys(text, name) if text else ()
    if {k.key for k in keys} & {k.key for k in master_keys}:
        raise ConfigError(f"{name} is the same as API_VAULT_MASTER_KEY. Give backups another key.")
    return keys


def parse_master_keys(
    text: str, name: str = "API_VAULT_MASTER_KEY"
) -> tuple[MasterKey, ...]:
    """`name:key[,name:key]` or bare keys; each 32 bytes in base64 or hex, or a long random text."""
    keys = []
    for index, part in enumerate(p.strip() for p in text.split(",") if p.strip()):
        kid, _, body = part.rpartition(":")
        kid = kid or f"k{index + 1}"
        if not re.fullmatch(r"[a-z0-9-]{1,16}", kid):
            raise ConfigError(
                f"{name} has a key name that is not 1 to 16 of a-z, 0-9 and '-'. "
                "Write it as name:key."
            )
        keys.append(MasterKey(kid, _key_bytes(body, name)))
    if not keys:
        raise ConfigError(f"{name} is empty. Leave it unset to have one generated.")
    if len({k.kid for k in keys}) != len(keys):
        raise ConfigError(f"{name} names the same key twice. Give each its own name.")
    return tuple(keys)


def _key_bytes(body: str, name: str) -> bytes:
    raw: bytes | None = None
    if re.fullmatch(r"[0-9a-fA-F]{64}", body):
        raw = bytes.fromhex(body)
    else:
        try:
            plain = body.replace("-", "+").replace("_", "/") + "=" * (-len(body) % 4)
            raw = base64.b64decode(plain, validate=True)
        except (binascii.Error, ValueError):
            raw = None
    if raw is not None and len(raw) == 32:
        if len(set(raw)) < 16:
            raise ConfigError(
                f"{name} is not random: too few different bytes. "
                "Generate one with: openssl rand -base64 32"
            )
        return raw
    _check_strength(name, body)
    return hashlib.sha256(b"liftos/v1/master-text\x00" + body.encode()).digest()


def _check_strength(name: str, value: str) -> None:
    if value.lower() in _PLACEHOLDERS or "your_secure" in value.lower():
        raise ConfigError(f"{name} is an example value. Generate one with: openssl rand -base64 32")
    if len(value) < 32 or len(set(value)) < 12:
        raise ConfigError(
            f"{name} is too short or not random: at least 32 characters, 12 of them different. "
            "Generate one with: openssl rand -base64 32"
        )


def _kept_secret(home: Path, name: str, generated: list[str], *, keep: bool) -> str:
    path = home / "keys" / name.lower()
    try:
        if path.exists():
            return path.read_text(encoding="utf-8").strip()
        value = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
        if keep and not _write_once(path, value + "\n"):  # another start was quicker
            return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{name} is not set, and the one generated earlier cannot be kept in LIFTOS_HOME "
            f"({type(error).__name__}). Give this user the folder, or set LIFTOS_HOME to another."
        ) from error
    if keep:
        generated.append(name)
    return value


def _write_once(path: Path, text: str) -> bool:
    """Write a private file whole or not at all. False when it exists already."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    return True


def _bool(env: Mapping[str, str], name: str, *, default: bool) -> bool:
    text = env.get(name, "").strip().lower()
    if not text:
        return default
    if text in {"1", "true", "yes", "on"}:
        return True
    if text in {"0", "false", "no", "off"}:
        return False
    raise ConfigError(f"{name} must be true or false, not {text[:40]!r}.")


def _port(env: Mapping[str, str]) -> int:
    text = env.get("PORT", "").strip() or "8000"
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 1 <= int(text) <= 65535:
        raise ConfigError(f"PORT must be a number from 1 to 65535, not {text[:40]!r}.")
    return int(text)


def _number(env: Mapping[str, str], name: str, *, default: int, most: int) -> int:
    text = env.get(name, "").strip() or str(default)
    if not re.fullmatch(r"[0-9]{1,7}", text) or int(text) > most:
        raise ConfigError(f"{name} must be a number from 0 to {most}, not {text[:40]!r}.")
    return int(text)


def _who_needs_mfa(env: Mapping[str, str], *, default: str) -> str:
    text = env.get("REQUIRE_MFA", "").strip().lower() or default
    text = {"true": "everyone", "false": "nobody"}.get(text, text)
    if text not in {"admins", "everyone", "nobody"}:
        raise ConfigError(f"REQUIRE_MFA must be admins, everyone or nobody, not {text[:40]!r}.")
    return text


def _oidc(env: Mapping[str, str]) -> tuple[str, str, str]:
    names = ("OIDC_ISSUER", "OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET")
    issuer, client_id, client_secret = (env.get(name, "").strip() for name in names)
    if not issuer and not client_id and not client_secret:
        return "", "", ""
    for name, value in zip(names, (issuer, client_id, client_secret), strict=True):
        if not value:
            raise ConfigError(f"{name} is missing: sign-in with a provider needs all three.")
    _http_url("OIDC_ISSUER", issuer)
    here = config_mail.is_loopback(urlsplit(issuer).hostname or "")
    if issuer.startswith("http://") and not here:
        raise ConfigError("OIDC_ISSUER must be an https address.")
    return issuer, client_id, client_secret


def _mail(env: Mapping[str, str]) -> tuple[Smtp | None, tuple[str, str]]:
    url, sender = (env.get(n, "").strip() for n in ("LIFTOS_SMTP_URL", "LIFTOS_MAIL_FROM"))
    if not (url or sender):
        return None, ("", "")
    server = _read("LIFTOS_SMTP_URL", url, config_mail.parse_server) if url else None
    name = _read("LIFTOS_MAIL_FROM", sender, config_mail.parse_sender) if sender else ("", "")
    if not (url and sender):
        missing = "LIFTOS_MAIL_FROM" if url else "LIFTOS_SMTP_URL"
        raise ConfigError(f"{missing} is missing: mail needs a server and a sender.")
    return server, name


def _read(name: str, text: str, reader: Callable[[str], T]) -> T:
    try:
        return reader(text)
    except ValueError as error:
        raise ConfigError(f"{name} {error}.") from None


def _log_level(env: Mapping[str, str]) -> str:
    text = env.get("LOG_LEVEL", "").strip().upper() or "INFO"
    if text not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
        raise ConfigError(f"LOG_LEVEL must be DEBUG, INFO, WARNING or ERROR, not {text[:40]!r}.")
    return text


def _http_url(name: str, text: str) -> str:
    wrong = ConfigError(f"{name} must be an http or https address, not {text[:80]!r}.")
    try:
        parts = urlsplit(text)
        bad_port = parts.port is not None and not 1 <= parts.port <= 65535
    except ValueError:
        raise wrong from None
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigError(f"{name} must hold no user name, query or fragment.")
    if parts.scheme not in {"http", "https"} or not parts.hostname or bad_port:
        raise wrong
    if re.search(r"[\s\x00-\x1f\\]", text):
        raise wrong
    return text.rstrip("/")


def _origin(name: str, text: str) -> str:
    """An address as browsers write it in Origin: lower case, no path, no default port."""
    parts = urlsplit(_http_url(name, text))
    if parts.path:
        raise ConfigError(f"{name} must hold no path: LiftOS lives at the root of its address.")
    try:
        host = (parts.hostname or "").encode("idna").decode()
    except UnicodeError:
        raise ConfigError(f"{name} must be an http or https address, not {text[:80]!r}.") from None
    host = f"[{host}]" if ":" in host else host
    default = {"http": 80, "https": 443}[parts.scheme]
    port = f":{parts.port}" if parts.port and parts.port != default else ""
    return f"{parts.scheme}://{host}{port}"


def _platform_urls(env: Mapping[str, str]) -> dict[str, str]:
    return {
        name.removeprefix(PLATFORM_URL_PREFIX).lower(): _http_url(name, value.strip())
        for name, value in sorted(env.items())
        if name.startswith(PLATFORM_URL_PREFIX) and value.strip()
    }


def _opened(env: Mapping[str, str]) -> tuple[str, ...]:
    """`host:port[,host:port]` inside our own network that HTTP sources may be read from."""
    found = tuple(p.strip().lower() for p in env.get("SSRF_ALLOW", "").split(",") if p.strip())
    for pair in found:
        host, _, port = pair.rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 65536 or "/" in host:
            raise ConfigError(
                f"SSRF_ALLOW holds {pair[:60]!r}. Write host:port pairs, separated by commas."
            )
    return found


def _database_url(text: str, home: Path) -> str:
    text = text.strip()
    if not text:
        return f"sqlite:///{home / 'liftos.db'}"
    scheme, sep, rest = text.partition("://")
    family = scheme.split("+", 1)[0].lower()
    if not sep or family not in {"sqlite", "postgresql", "postgres"}:
        raise ConfigError(  # the value itself may hold a password: it is not repeated
            "DATABASE_URL must start with sqlite:/// or postgresql://."
        )
    if family == "sqlite":
        path, _, options = rest.partition("?")
        if path in {"", "/"} or ":memory:" in path or "mode=memory" in options:
            raise ConfigError(
                "DATABASE_URL must name a file: an in-memory database loses everything."
            )
        if not path.startswith("/"):
            raise ConfigError("DATABASE_URL must have three slashes: sqlite:///path/to/liftos.db.")
        return f"sqlite://{rest}"
    try:
        _ = urlsplit(text).port
    except ValueError:
        raise ConfigError(
            "DATABASE_URL cannot be read: it looks like "
            "postgresql://user:password@host:5432/name, special characters written as %40."
        ) from None
    return f"postgresql+psycopg://{rest}"


def _redis_url(text: str) -> str:
    text = text.strip()
    if text and not re.match(r"(rediss?|unix)://", text):
        raise ConfigError("REDIS_URL must start with redis://, rediss:// or unix://.")
    return text


def _first_admin(env: Mapping[str, str]) -> tuple[str, str]:
    email = env.get("LIFTOS_ADMIN_EMAIL", "").strip()
    password = env.get("LIFTOS_ADMIN_PASSWORD", "")
    if bool(email) != bool(password):
        missing = "LIFTOS_ADMIN_PASSWORD" if email else "LIFTOS_ADMIN_EMAIL"
        raise ConfigError(
            f"{missing} is missing: the first administrator needs both an e-mail and a password."
        )
    if email and not EMAIL.fullmatch(email):
        raise ConfigError("LIFTOS_ADMIN_EMAIL is not an e-mail address.")
    return email, password
