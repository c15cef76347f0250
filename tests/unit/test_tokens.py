"""Access and refresh tokens: what is ours and valid now, and nothing else."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import math
import threading
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlmodel import select

from liftos_app.errors import Denied, Invalid, SignInNeeded, TooMany
from liftos_app.models import AuditEntry, Membership, Organization, RefreshToken, Role, User
from liftos_app.services import passwords, sessions, tokens
from liftos_app.services.context import App

EMAIL, PASSWORD = "ann@example.com", "kettle violin harbour 29"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashing is not what these tests are about."""
    monkeypatch.setattr(passwords, "fits", lambda given, stored: given == PASSWORD and bool(stored))


@pytest.fixture
def ann(app: App, organization: Organization) -> User:
    with app.db.write() as session:
        user = User(
            email=EMAIL, email_key=EMAIL, name="Ann", password_hash="x", created_at=app.now()
        )
        session.add(user)
        session.flush()
        session.add(
            Membership(
                org_id=organization.id or 0,
                user_id=user.id,
                role=Role.ANALYST,
                created_at=app.now(),
            )
        )
    return user


def begin(app: App, *, client: str = "laptop", organization: str = "") -> tokens.TokenPair:
    return tokens.sign_in(
        app,
        email=EMAIL,
        password=PASSWORD,
        ip="203.0.113.9",
        client=client,
        organization=organization,
    )


def renew(app: App, token: str, *, client: str = "laptop") -> tokens.TokenPair:
    return tokens.refresh(app, token, ip="203.0.113.9", client=client)


@pytest.fixture
def pair(app: App, ann: User) -> tokens.TokenPair:
    return begin(app)


# -- access tokens -------------------------------------------------------------------------------


def test_an_access_token_stands_for_its_person_in_its_organization(
    app: App, ann: User, pair: tokens.TokenPair, organization: Organization
) -> None:
    found = tokens.check(app, pair.access_token, ip="198.51.100.1")
    assert (found.who.user_id, found.who.role, found.org_id) == (
        ann.id,
        Role.ANALYST,
        organization.id,
    )
    assert (found.who.kind, found.who.ip, found.who.name) == ("program", "198.51.100.1", "Ann")
    assert (pair.expires_in, pair.refresh_expires_in) == (900, 14 * 86400)
    assert pair.organization == organization.public_id


def parts(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    header, payload, _ = token.split(".")
    return json.loads(_unb64(header)), json.loads(_unb64(payload))


def _unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def signing_key(app: App) -> bytes:
    secret = app.settings.jwt_secret_key.encode()
    return hashlib.sha256(b"liftos/v1/jwt-hs256\x00" + secret).digest()


def forge(header: dict[str, Any], claims: object, key: bytes, *, digest: str = "sha256") -> str:
    """A token signed with any key, by hand: no library's scruples."""
    body = f"{_b64(json.dumps(header).encode())}.{_b64(json.dumps(claims).encode())}"
    return f"{body}.{_b64(hmac.new(key, body.encode(), digest).digest())}"


def test_L36_the_token_says_what_the_rules_want_and_nothing_of_the_person(
    pair: tokens.TokenPair, ann: User, app: App
) -> None:
    header, claims = parts(pair.access_token)
    assert header == {"alg": "HS256", "typ": "at+jwt", "kid": tokens.key_id(app)}
    assert set(claims) == {
        "iss", "aud", "sub", "org", "jti", "iat", "nbf", "exp", "epoch", "scope", "auth_time"
    }
    assert claims["exp"] - claims["iat"] == 900
    assert "example.com" not in json.dumps(claims)
    assert tokens.check(app, forge(header, claims, signing_key(app))).who.user_id == ann.id


RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
PEM = RSA.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
GONE = object()  # stands for a name that is taken away

# name -> what is changed in the header of a good token before it is signed with our own key
WRONG_HEADERS: dict[str, dict[str, object]] = {
    "alg none": {"alg": "none"},
    "alg None": {"alg": "NonE"},
    "alg HS384": {"alg": "HS384"},
    "alg HS512": {"alg": "HS512"},
    "alg RS256": {"alg": "RS256"},
    "alg a number": {"alg": 256},
    "alg missing": {"alg": GONE},
    "kid unknown": {"kid": "0" * 16},
    "kid a path": {"kid": "../../dev/null"},
    "kid a list": {"kid": ["x"]},
    "kid missing": {"kid": GONE},
    "typ JWT": {"typ": "JWT"},
    "typ missing": {"typ": GONE},
    "jku": {"jku": "https://evil.example/jwks"},
    "x5u": {"x5u": "https://evil.example/cert"},
    "x5c": {"x5c": ["MII"]},
    "jwk": {"jwk": {"kty": "oct", "k": "eHh4"}},
    "crit": {"crit": ["exp"]},
    "b64": {"b64": False, "crit": ["b64"]},
    "zip": {"zip": "DEF"},
    "another name": {"cty": "JWT"},
}
NOW = int(datetime(2026, 11, 23, 12, 0, tzinfo=UTC).timestamp())  # where the test clock stands
WRONG_CLAIMS: dict[str, dict[str, object]] = {
    "iss other": {"iss": "https://evil.example"},
    "iss list": {"iss": ["liftos"]},
    "iss missing": {"iss": GONE},
    "aud other": {"aud": "other-api"},
    "aud list": {"aud": ["liftos-api", "other"]},
    "aud missing": {"aud": GONE},
    "sub missing": {"sub": GONE},
    "sub unknown": {"sub": "0f8fad5b-d9cb-469f-a165-70867728950e"},
    "sub not an id": {"sub": "1 or 1=1"},
    "sub a number": {"sub": 1},
    "org missing": {"org": GONE},
    "org an integer": {"org": 1},
    "exp missing": {"exp": GONE},
    "exp text": {"exp": str(NOW + 60)},
    "exp true": {"exp": True},
    "exp past": {"exp": NOW - 11, "iat": NOW - 911, "nbf": NOW - 911},
    "exp far away": {"exp": NOW + 4500},
    "exp fraction": {"exp": NOW + 60.5},
    "exp NaN": {"exp": math.nan},
    "exp infinite": {"exp": math.inf},
    "exp null": {"exp": None},
    "exp before iat": {"exp": NOW - 5},
    "iat missing": {"iat": GONE},
    "iat future": {"iat": NOW + 60},
    "nbf future": {"nbf": NOW + 60},
    "nbf missing": {"nbf": GONE},
    "life too long": {"iat": NOW - 900},
    "epoch old": {"epoch": 0},
    "epoch new": {"epoch": 2},
    "epoch text": {"epoch": "1"},
    "epoch true": {"epoch": True},
    "epoch missing": {"epoch": GONE},
    "scope other": {"scope": "admin"},
    "scope missing": {"scope": GONE},
    "jti missing": {"jti": GONE},
    "jti not an id": {"jti": "x"},
    "auth_time missing": {"auth_time": GONE},
    "auth_time text": {"auth_time": str(NOW)},
    "auth_time true": {"auth_time": True},
    "auth_time future": {"auth_time": NOW + 60},
    "a role added": {"role": "super_admin"},
}


def changed(original: dict[str, Any], changes: dict[str, object]) -> dict[str, Any]:
    return {name: v for name, v in (original | changes).items() if v is not GONE}


@pytest.mark.parametrize("name", [*WRONG_HEADERS, *WRONG_CLAIMS])
def test_L38_a_token_signed_with_our_own_key_but_wrong_inside_is_refused(
    app: App, pair: tokens.TokenPair, name: str
) -> None:
    header, claims = parts(pair.access_token)
    header = changed(header, WRONG_HEADERS.get(name, {}))
    claims = changed(claims, WRONG_CLAIMS.get(name, {}))
    with pytest.raises(SignInNeeded) as caught:
        tokens.check(app, forge(header, claims, signing_key(app)))
    assert caught.value.what
    assert caught.value.fix


def test_L38_a_token_signed_with_another_key_or_form_is_refused(
    app: App, pair: tokens.TokenPair
) -> None:
    header, claims = parts(pair.access_token)
    first, second, third = pair.access_token.split(".")
    key = signing_key(app)
    other = _b64(json.dumps({**claims, "sub": str(uuid4())}).encode())
    none = _b64(json.dumps({**header, "alg": "none"}).encode())
    forged = {
        "another key": forge(header, claims, b"x" * 32),
        "the raw secret": forge(header, claims, app.settings.jwt_secret_key.encode()),
        "an empty key": forge(header, claims, b""),
        "a public key as secret": forge(header, claims, PEM),
        "another digest": forge(header, claims, key, digest="sha512"),
        "changed claims": f"{first}.{other}.{third}",
        "no signature": f"{first}.{second}.",
        "none and no signature": f"{none}.{second}.",
        "signature cut": pair.access_token[:-4],
        "two parts": f"{first}.{second}",
        "five parts": f"{first}.{second}.{third}.{first}.{second}",
        "spaces": f" {pair.access_token}",
        "a line": f"{pair.access_token}\n",
        "padding": f"{pair.access_token}=",
        "empty": "",
        "dots": "..",
        "text": "not a token",
        "not ascii": "é.é.é",
        "null bytes": "\x00.\x00.\x00",
        "claims a list": forge(header, [claims], key),
        "claims a text": forge(header, "claims", key),
        "deep": forge(header, json.loads("[" * 400 + "]" * 400), key),
        "over 8 KB": forge(header, {**claims, "pad": "x" * 9000}, key),
        "a refresh token": pair.refresh_token,
    }
    accepted = []
    for name, token in forged.items():
        with contextlib.suppress(SignInNeeded):
            tokens.check(app, token)
            accepted.append(name)
    assert accepted == []


def test_L37_a_changed_bit_of_the_signature_is_refused(app: App, pair: tokens.TokenPair) -> None:
    head, _, signature = pair.access_token.rpartition(".")
    raw = _unb64(signature)
    for index in range(len(raw)):
        wrong = bytearray(raw)
        wrong[index] ^= 1
        with pytest.raises(SignInNeeded):
            tokens.check(app, f"{head}.{_b64(bytes(wrong))}")


def test_L36_a_token_ends_after_fifteen_minutes(
    app: App, pair: tokens.TokenPair, clock: Any
) -> None:
    clock.advance(minutes=14, seconds=59)
    tokens.check(app, pair.access_token)
    clock.advance(seconds=1 + tokens.LEEWAY_SECONDS)
    with pytest.raises(SignInNeeded):
        tokens.check(app, pair.access_token)


@pytest.mark.parametrize("change", [{"auth_epoch": 2}, {"disabled_at": "now"}])
def test_L39_a_new_epoch_or_a_disabled_person_ends_tokens_within_five_seconds(
    app: App, ann: User, pair: tokens.TokenPair, clock: Any, change: dict[str, Any]
) -> None:
    tokens.check(app, pair.access_token)
    with app.db.write() as session:
        user = session.get_one(User, ann.id)
        for name, value in change.items():
            setattr(user, name, app.now() if value == "now" else value)
    clock.advance(seconds=6)
    with pytest.raises(SignInNeeded):
        tokens.check(app, pair.access_token)


def test_L8_the_role_is_the_one_of_now(
    app: App, ann: User, organization: Organization, pair: tokens.TokenPair, clock: Any
) -> None:
    tokens.check(app, pair.access_token)
    with app.db.write() as session:
        session.get_one(Membership, (organization.id, ann.id)).role = Role.VIEWER
    clock.advance(seconds=6)
    assert tokens.check(app, pair.access_token).who.role is Role.VIEWER


def test_the_header_chooses_among_ones_own_organizations_only(
    app: App, pair: tokens.TokenPair, other_organization: Organization, clock: Any
) -> None:
    def org_of(header: object) -> int:
        return tokens.check(app, pair.access_token, organization=str(header)).org_id

    assert org_of(pair.organization) != other_organization.id
    sentences = set()
    for public_id in (other_organization.public_id, uuid4()):
        with pytest.raises(Denied) as caught:
            org_of(public_id)
        sentences.add(caught.value.sentence())
    assert len(sentences) == 1  # a foreign one looks like one that does not exist
    with pytest.raises(Invalid):
        org_of("1")
    with app.db.write() as session:
        ann = session.exec(select(User)).one()
        session.add(
            Membership(
                org_id=other_organization.id or 0,
                user_id=ann.id,
                role=Role.VIEWER,
                created_at=app.now(),
            )
        )
    clock.advance(seconds=6)
    assert org_of(other_organization.public_id) == other_organization.id
    assert begin(app, organization=str(other_organization.public_id)).organization == (
        other_organization.public_id
    )


def test_tokens_for_an_organization_of_others_are_not_given(
    app: App, ann: User, other_organization: Organization
) -> None:
    for organization in (other_organization.public_id, uuid4()):
        with pytest.raises(Denied):
            begin(app, organization=str(organization))
    with pytest.raises(Invalid):
        begin(app, organization="mine")


# -- refresh tokens ------------------------------------------------------------------------------


def links(app: App) -> list[RefreshToken]:
    with app.db.read() as session:
        return list(session.exec(select(RefreshToken)).all())


def actions(app: App) -> list[str]:
    with app.db.read() as session:
        return list(session.exec(select(AuditEntry.action)).all())


def test_a_refresh_token_gives_the_next_pair_and_is_stored_as_a_hash(
    app: App, ann: User, pair: tokens.TokenPair
) -> None:
    after = renew(app, pair.refresh_token)
    assert tokens.check(app, after.access_token).who.user_id == ann.id
    assert after.refresh_token != pair.refresh_token
    found = links(app)
    assert len({link.family_id for link in found}) == 1
    for plain in (pair.refresh_token, after.refresh_token):
        assert plain not in repr([link.model_dump() for link in found])


def test_L40_using_a_spent_token_ends_the_whole_chain(
    app: App, pair: tokens.TokenPair, clock: Any
) -> None:
    second = renew(app, pair.refresh_token)
    third = renew(app, second.refresh_token)
    clock.advance(seconds=11)
    with pytest.raises(SignInNeeded):
        renew(app, pair.refresh_token)
    with pytest.raises(SignInNeeded):
        renew(app, third.refresh_token)
    assert all(link.revoked_at is not None for link in links(app))
    assert "auth.refresh_reused" in actions(app)


def test_other_chains_of_the_person_go_on(app: App, pair: tokens.TokenPair, clock: Any) -> None:
    other = begin(app)
    renew(app, pair.refresh_token)
    clock.advance(seconds=11)
    with pytest.raises(SignInNeeded):
        renew(app, pair.refresh_token)
    assert renew(app, other.refresh_token)


def test_L40_a_lost_answer_is_given_again_within_ten_seconds(
    app: App, pair: tokens.TokenPair, clock: Any
) -> None:
    first = renew(app, pair.refresh_token)
    clock.advance(seconds=10)
    again = renew(app, pair.refresh_token)
    assert again.refresh_token == first.refresh_token
    assert renew(app, again.refresh_token)
    assert "auth.refresh_reused" not in actions(app)


def test_not_after_ten_seconds(app: App, pair: tokens.TokenPair, clock: Any) -> None:
    renew(app, pair.refresh_token)
    clock.advance(seconds=11)
    with pytest.raises(SignInNeeded):
        renew(app, pair.refresh_token)


def test_not_to_another_client(app: App, pair: tokens.TokenPair) -> None:
    renew(app, pair.refresh_token)
    with pytest.raises(SignInNeeded):
        renew(app, pair.refresh_token, client="somebody else")
    assert all(link.revoked_at is not None for link in links(app))


def test_not_when_the_next_one_was_used_already(app: App, pair: tokens.TokenPair) -> None:
    second = renew(app, pair.refresh_token)
    renew(app, second.refresh_token)
    with pytest.raises(SignInNeeded):
        renew(app, pair.refresh_token)


def test_twenty_renewals_at_once_make_one_chain(app: App, pair: tokens.TokenPair) -> None:
    found: list[str] = []

    def go() -> None:
        found.append(renew(app, pair.refresh_token).refresh_token)

    threads = [threading.Thread(target=go) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 20
    assert len(set(found)) == 1
    assert len(links(app)) == 2


def test_a_chain_rests_fourteen_days_and_lives_thirty(
    app: App, pair: tokens.TokenPair, clock: Any
) -> None:
    clock.advance(days=13)
    second = renew(app, pair.refresh_token)
    clock.advance(days=13)
    third = renew(app, second.refresh_token)
    assert third.refresh_expires_in == 4 * 86400
    clock.advance(days=4)
    with pytest.raises(SignInNeeded):
        renew(app, third.refresh_token)


def test_a_chain_ends_after_fourteen_days_of_rest(
    app: App, pair: tokens.TokenPair, clock: Any
) -> None:
    clock.advance(days=14)
    with pytest.raises(SignInNeeded):
        renew(app, pair.refresh_token)


@pytest.mark.parametrize("token", ["", "x", "x" * 43, "x" * 9000, "é" * 43])
def test_unknown_refresh_tokens_are_refused(app: App, pair: tokens.TokenPair, token: str) -> None:
    with pytest.raises(SignInNeeded):
        renew(app, token)
    tokens.revoke(app, token)
    assert renew(app, pair.refresh_token)


def test_revoking_ends_the_chain(app: App, pair: tokens.TokenPair) -> None:
    second = renew(app, pair.refresh_token)
    tokens.revoke(app, second.refresh_token)
    for token in (second.refresh_token, pair.refresh_token):
        with pytest.raises(SignInNeeded):
            renew(app, token)
    assert "auth.tokens_revoked" in actions(app)


def test_a_disabled_or_removed_person_renews_nothing(
    app: App, ann: User, organization: Organization, pair: tokens.TokenPair
) -> None:
    with app.db.write() as session:
        session.delete(session.get_one(Membership, (organization.id, ann.id)))
    with pytest.raises(SignInNeeded):
        renew(app, pair.refresh_token)


def test_a_wrong_password_gives_no_tokens_and_is_counted(app: App, ann: User) -> None:
    for _ in range(5):
        with pytest.raises(SignInNeeded):
            tokens.sign_in(app, email=EMAIL, password="no", ip="203.0.113.9", client="")
    with pytest.raises(TooMany):
        begin(app)
    assert links(app) == []


def test_session_tokens_and_access_tokens_are_not_each_other(
    app: App, ann: User, pair: tokens.TokenPair, organization: Organization
) -> None:
    with app.db.write() as session:
        cookie = sessions.create(
            session,
            app,
            user=session.get_one(User, ann.id),
            org_id=organization.id or 0,
            ip="",
            user_agent="",
        )
    with pytest.raises(SignInNeeded):
        tokens.check(app, cookie)
    with pytest.raises(SignInNeeded):
        renew(app, cookie)
    assert sessions.resolve(app, pair.refresh_token) is None
    assert sessions.resolve(app, pair.access_token) is None


def test_the_key_name_tells_nothing_of_the_key(app: App) -> None:
    assert len(tokens.key_id(app)) == 16
    assert tokens.key_id(app) not in signing_key(app).hex()


def test_an_organization_joined_a_moment_ago_is_open_at_once(
    app: App, ann: User, other_organization: Organization
) -> None:
    """Whoever makes an organization over REST acts in it with the next request."""
    asked, access = str(other_organization.public_id), begin(app).access_token
    with pytest.raises(Denied):
        tokens.check(app, access, organization=asked)
    with app.db.write() as session:
        session.add(Membership(
            org_id=other_organization.id or 0, user_id=ann.id, role=Role.VIEWER,
            created_at=app.now(),
        ))
    found = tokens.check(app, access, organization=asked)
    assert (found.org_id, found.who.role) == (other_organization.id, Role.VIEWER)
