"""Ad accounts: finding them, testing one, and which permissions were really given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from liftos_app.errors import SignInAgain
from liftos_app.services.connectors import rows
from liftos_app.services.connectors.client import Client
from liftos_app.services.connectors.faults import check_open
from liftos_app.services.connectors.platforms.linkedin_ads import restli
from liftos_app.services.connectors.platforms.linkedin_ads.errors import INVISIBLE
from liftos_app.services.connectors.spec import AccountInfo

PAGE = 500
_GONE = {
    "CANCELED": "This ad account was cancelled for good.",
    "REMOVED": "LinkedIn has removed this ad account.",
    "PENDING_DELETION": "LinkedIn has removed this ad account.",
}


def discover(client: Client) -> list[AccountInfo]:
    """All ad accounts the person can see."""
    found: dict[str, AccountInfo] = {}
    for answer in restli.pages(client, "/adAccounts", {"q": "search"}, size=PAGE):
        for record in restli.elements(answer.data):
            account = info(record)
            found.setdefault(account.external_id, account)
    return list(found.values())


def info(record: dict[str, Any]) -> AccountInfo:
    """One ad account. LinkedIn's days are UTC for all of them."""
    number = restli.number_of(record.get("id"), "sponsoredAccount")
    status = rows.text(record.get("status"), 40)
    extra: dict[str, Any] = {"test": True} if record.get("test") is True else {}
    return AccountInfo(
        external_id=number,
        name=rows.text(record.get("name"), 400) or f"Account {number}",
        currency=rows.text(record.get("currency"), 3),
        time_zone="UTC",
        status=words(record),
        usable=status not in _GONE,
        reason=_GONE.get(status, ""),
        extra=extra,
    )


def words(record: dict[str, Any]) -> str:
    """The state as people read it, with what holds an account back from serving."""
    status = rows.text(record.get("status"), 40)
    serving = record.get("servingStatuses")
    holds = [s for s in serving if isinstance(s, str) and s != "RUNNABLE"] if isinstance(
        serving, list) else []
    return ", ".join(w.replace("_", " ").lower() for w in (status, *holds) if w)[:80]


def look(client: Client, ident: str) -> dict[str, Any] | None:
    """The record of one account; None when this sign-in cannot see it, which is no error."""
    wanted = restli.items([restli.urn("sponsoredAccount", ident)])
    search = restli.record(id=restli.record(values=wanted))
    answer = restli.ask(
        client, "/adAccounts", {"q": "search", "search": search, "pageSize": "1"}, lane=ident
    )
    found = restli.elements(answer.data)
    return found[0] if found else None


def check_visible(client: Client, ident: str) -> None:
    """Raise Fix unless the account can be seen. Asked once per account and client."""
    key = f"linkedin.visible.{ident}"
    if key not in client.kept:
        if look(client, ident) is None:
            raise INVISIBLE.error(account=ident)
        client.kept[key] = True


def test(client: Client, account: AccountInfo) -> str:
    """Read the account itself: proves token, version, permission and role at once."""
    found = look(client, account.external_id)
    if found is None:
        raise INVISIBLE.error(account=account.external_id)
    seen = info(found)
    check_open("LinkedIn", seen)
    return f"LinkedIn answers for {seen.name}: {seen.currency}, {seen.status}."


def granted(client: Client) -> Sequence[str]:
    """Permissions behind the token. Raises SignInAgain when LinkedIn calls it dead."""
    form = {
        "token": client.credential.text("access_token"),
        "client_id": client.credential.text("client_id"),
        "client_secret": client.credential.text("client_secret"),
    }
    data = client.post("/oauth/v2/introspectToken", host="consent", form=form).data
    if not isinstance(data, dict) or data.get("active") is not True:
        raise SignInAgain(
            "LinkedIn no longer accepts our sign-in.",
            why="It calls the token dead: it ran out, was withdrawn, or is another app's.",
            fix="Sign in again; history and settings stay.",
        )
    return str(data.get("scope") or "").replace(",", " ").split()
