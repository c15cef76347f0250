"""Sign-in with an OpenID Connect provider: code flow with PKCE, state and nonce bound to the
browser that began it. The provider says who somebody is; who may come in is decided here: people
we know or have invited, by an e-mail address the provider has verified.

PKCE verifier and nonce follow from a random secret in the browser's cookie, so nothing that could
finish a sign-in is stored.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import httpx
from authlib.common.errors import AuthlibBaseError
from authlib.oauth2.client import OAuth2Client
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from sqlalchemy import delete
from sqlmodel import Session, col, select

from liftos_app.errors import Denied, Unavailable
from liftos_app.models import ProviderSignIn, User, UserIdentity
from liftos_app.services import accounts, audit, invitations, limits
from liftos_app.services.context import App, Principal, open_context

log = logging.getLogger(__name__)
LIFE: Final = timedelta(minutes=10)
ALGORITHMS: Final = ["RS256", "PS256", "ES256", "EdDSA"]
LEEWAY_SECONDS: Final = 30
SCOPE: Final = "openid email profile"
_TIMEOUT_SECONDS: Final = 10
_KNOWN_FOR: Final = timedelta(hours=1)
_METADATA: Final = "/.well-known/openid-configuration"


class ProviderRefused(Denied):
    """The provider's answer does not let anybody in. `code` has a sentence on the sign-in page."""

    code = "provider_refused"


class ProviderDown(Unavailable):
    """The provider does not answer, or not as it should."""

    code = "provider_down"


@dataclass(frozen=True, slots=True)
class Begun:
    """Where to send the browser, and the secret its cookie has to keep."""

    url: str
    browser_secret: str


@dataclass(frozen=True, slots=True)
class Finished:
    """Who came back. `strong` when the provider itself asked for more than one factor."""

    user: User
    org_id: int
    next_path: str
    strong: bool


def is_offered(app: App) -> bool:
    """Whether a provider is set up."""
    return bool(app.settings.oidc_issuer)


def redirect_uri(app: App) -> str:
    """The one address the provider sends people back to."""
    return f"{app.settings.public_url}/auth/provider/callback"


def begin(app: App, *, next_path: str = "") -> Begun:
    """Start a sign-in. Raises ProviderDown."""
    where = _metadata(app)
    state, secret, now = secrets.token_urlsafe(32), secrets.token_urlsafe(32), app.now()
    with app.db.write() as session:
        session.exec(delete(ProviderSignIn).where(col(ProviderSignIn.expires_at) <= now))
        session.add(
            ProviderSignIn(
                state_hash=app.vault.token_hash(state), browser_hash=app.vault.token_hash(secret),
                next_path=next_path[:500], created_at=now, expires_at=now + LIFE,
            )
        )
    challenge = hashlib.sha256(_verifier(app, secret).encode()).digest()
    query = {
        "response_type": "code", "client_id": app.settings.oidc_client_id, "scope": SCOPE,
        "redirect_uri": redirect_uri(app), "state": state, "nonce": _nonce(app, secret),
        "code_challenge": base64.urlsafe_b64encode(challenge).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
    }
    address = _endpoint(where, "authorization_endpoint")
    return Begun(f"{address}{'&' if '?' in address else '?'}{urlencode(query)}", secret)


def finish(
    app: App, *, state: str, code: str, issuer: str, browser_secret: str, ip: str
) -> Finished:
    """Exchange the code, check the identity, find the person. Raises ProviderRefused,
    ProviderDown or TooMany. The state is spent before anything is asked of the provider.
    """
    attempt = limits.begin_attempt(app, account=f"provider\x00{state[:100]}", ip=ip)
    next_path = _spend(app, state, browser_secret)
    if issuer and issuer != app.settings.oidc_issuer:  # RFC 9207: another provider's answer
        raise _refused("provider_refused", "it came from another provider")
    claims = _identity(app, code, browser_secret)
    who = Principal(kind="person", ip=ip)
    with open_context(app, who, None, write=True) as ctx:
        user = _person(ctx.session, app, claims)
        if user is None and _verified(claims):
            user = invitations.accept_verified(
                ctx, email=str(claims["email"]), name=str(claims.get("name") or "")
            )
            if user is not None:
                _remember(ctx.session, app, claims, user)
                audit.record(ctx, "auth.provider_linked", user, issuer=app.settings.oidc_issuer)
        if user is None or user.disabled_at is not None:
            log.info("oidc.unknown_person", extra={"verified": _verified(claims)})
            raise _refused("provider_unknown", "nobody here has this verified address")
        limits.succeeded(ctx.session, attempt)
        org_id = accounts.home_of(ctx.session, user)
    if org_id is None:
        raise _refused("denied", "the account belongs to no organization")
    methods = claims.get("amr")
    return Finished(user, org_id, next_path, isinstance(methods, list) and "mfa" in methods)


def _spend(app: App, state: str, browser_secret: str) -> str:
    """Take the state out of the table: it works once, and only for the browser that began."""
    with app.db.write() as session:
        row = session.exec(
            select(ProviderSignIn)
            .where(col(ProviderSignIn.state_hash).in_(app.vault.token_hashes(state[:200])))
            .with_for_update()
        ).first()
        if row is not None:
            session.delete(row)
    same = row is not None and browser_secret != "" and (
        row.browser_hash in app.vault.token_hashes(browser_secret[:200])
    )
    if row is None or not same or row.expires_at <= app.now():
        raise _refused("provider_expired", "the state is unknown, spent, old or another browser's")
    return row.next_path


def _identity(app: App, code: str, browser_secret: str) -> dict[str, Any]:
    """The checked claims of the ID token, with e-mail from userinfo when it holds none."""
    where, settings = _metadata(app), app.settings
    with _asking() as http:
        client = OAuth2Client(
            _Session(http), client_id=settings.oidc_client_id,
            client_secret=settings.oidc_client_secret,
            token_endpoint_auth_method="client_secret_basic",  # noqa: S106  (a method's name)
        )
        token = client.fetch_token(
            _endpoint(where, "token_endpoint"), grant_type="authorization_code", code=code[:2000],
            redirect_uri=redirect_uri(app), code_verifier=_verifier(app, browser_secret),
        )
        keys = _json(http, _endpoint(where, "jwks_uri"))
        claims = _check(app, str(token.get("id_token", "")), keys, browser_secret)
        if "email" not in claims and where.get("userinfo_endpoint"):
            told = _json(
                http, _endpoint(where, "userinfo_endpoint"),
                authorization=f"Bearer {token['access_token']}",
            )
            if told.get("sub") == claims["sub"]:
                claims |= {k: told[k] for k in ("email", "email_verified", "name") if k in told}
    return claims


def _check(app: App, token: str, keys: Any, browser_secret: str) -> dict[str, Any]:
    """OpenID Connect Core 3.1.3.7: signature, issuer, audience, times, nonce."""
    settings, now = app.settings, int(app.now().timestamp())
    found = jwt.decode(token, KeySet.import_key_set(keys), algorithms=ALGORITHMS)
    jwt.JWTClaimsRegistry(
        now=now, leeway=LEEWAY_SECONDS, iss={"essential": True, "value": settings.oidc_issuer},
        aud={"essential": True, "value": settings.oidc_client_id}, sub={"essential": True},
        exp={"essential": True}, iat={"essential": True},
        nonce={"essential": True, "value": _nonce(app, browser_secret)},
    ).validate(found.claims)
    claims: dict[str, Any] = found.claims
    audience = claims["aud"]
    several = isinstance(audience, list) and len(audience) > 1
    if claims.get("azp", settings.oidc_client_id if not several else "") != settings.oidc_client_id:
        raise ValueError("azp")
    if not isinstance(claims["sub"], str) or not 1 <= len(claims["sub"]) <= 255:
        raise ValueError("sub")
    return claims


def _verified(claims: dict[str, Any]) -> bool:
    """Whether the provider vouches for the address: only a true `true` counts."""
    return claims.get("email_verified") is True and isinstance(claims.get("email"), str)


def _person(session: Session, app: App, claims: dict[str, Any]) -> User | None:
    row = session.get(UserIdentity, (app.settings.oidc_issuer, claims["sub"]))
    return session.get(User, row.user_id) if row is not None else None


def _remember(session: Session, app: App, claims: dict[str, Any], user: User) -> None:
    """Tie a person to a subject. One who has another at this provider is not tied again: an
    address that changed hands must not open the old owner's account.
    """
    taken = session.exec(
        select(UserIdentity).where(
            UserIdentity.issuer == app.settings.oidc_issuer, UserIdentity.user_id == user.id
        )
    ).first()
    if taken is not None:
        raise _refused("provider_unknown", "the address belongs to another subject already")
    session.add(
        UserIdentity(
            issuer=app.settings.oidc_issuer, subject=claims["sub"], user_id=user.id,
            created_at=app.now(),
        )
    )


def _verifier(app: App, browser_secret: str) -> str:
    """64 hex signs, as RFC 7636 allows; only our key and the cookie together can say them."""
    return app.vault.token_hash(f"oidc verifier\x00{browser_secret}")


def _nonce(app: App, browser_secret: str) -> str:
    return app.vault.token_hash(f"oidc nonce\x00{browser_secret}")


class _Session:
    """What authlib needs of an HTTP session: a form posted as the client."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def post(
        self, url: str, *, data: Mapping[str, str], headers: Mapping[str, str], auth: Any
    ) -> httpx.Response:
        """Sign as the client and send."""
        url, signed, body = auth.prepare("POST", url, dict(headers), urlencode(data))
        answer = self._http.post(url, headers=signed, content=body)
        if answer.status_code >= 500:
            answer.raise_for_status()
        return answer


@contextmanager
def _asking() -> Iterator[httpx.Client]:
    """A connection to the provider: no proxy, no redirect; all failures turned into ours."""
    try:
        with httpx.Client(
            timeout=_TIMEOUT_SECONDS, trust_env=False, follow_redirects=False
        ) as http:
            yield http
    except httpx.HTTPError as error:
        log.warning("oidc.failed", extra={"kind": type(error).__name__})
        raise ProviderDown(
            "The sign-in provider does not answer.", why="Its server failed or is unreachable.",
            fix="Try again in a minute.", retry_after=60,
        ) from error
    except (AuthlibBaseError, JoseError, ValueError, TypeError, KeyError) as error:
        log.warning("oidc.refused", extra={"kind": type(error).__name__, "why": str(error)[:200]})
        raise _refused("provider_refused", "its answer does not fit") from error


def _json(http: httpx.Client, url: str, **headers: str) -> dict[str, Any]:
    answer = http.get(url, headers=headers)
    answer.raise_for_status()
    found = answer.json()
    if not isinstance(found, dict):
        raise TypeError("not an object")
    return found


def _metadata(app: App) -> dict[str, Any]:
    """The provider's discovery document, read once an hour. Raises ProviderDown."""
    known = app.extras.get("oidc")
    if isinstance(known, tuple) and app.now() - known[0] < _KNOWN_FOR:
        found: dict[str, Any] = known[1]
        return found
    with _asking() as http:
        document = _json(http, app.settings.oidc_issuer.rstrip("/") + _METADATA)
        if document["issuer"] != app.settings.oidc_issuer:
            raise ValueError("issuer")
    app.extras["oidc"] = (app.now(), document)
    return document


def _endpoint(where: dict[str, Any], name: str) -> str:
    """An address of the provider: https, unless the provider itself is on this machine."""
    address = str(where[name])
    issuer = urlsplit(str(where["issuer"]))
    scheme = urlsplit(address).scheme
    if scheme != "https" and (scheme, issuer.scheme) != ("http", "http"):
        raise _refused("provider_refused", f"{name} is not https")
    return address


def _refused(code: str, why: str) -> ProviderRefused:
    error = ProviderRefused("The sign-in provider did not let you in.", why=why)
    error.code = code
    return error


__all__ = ["Begun", "Finished", "ProviderDown", "ProviderRefused", "begin",
           "finish", "is_offered", "redirect_uri"]
