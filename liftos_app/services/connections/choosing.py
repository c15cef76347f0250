"""The accounts of a connection: what discovery found, what a person chose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from sqlmodel import col, select

from liftos_app.errors import Conflict, Fix, Invalid
from liftos_app.models import Account, Connection
from liftos_app.services import audit, condition
from liftos_app.services.connections import reading
from liftos_app.services.connectors.spec import STREAM_OF, UNKNOWN_ACCOUNT, AccountInfo
from liftos_app.services.context import Context

GONE = "This sign-in no longer sees the account."


@dataclass(frozen=True, slots=True)
class Difference:
    """What another sign-in sees, compared with what was chosen. Names for people."""

    missing: tuple[str, ...] = ()  # chosen before, no longer visible
    new: tuple[str, ...] = ()  # visible now, unknown before
    recoined: tuple[str, ...] = ()  # chosen before, now in another currency than stored rows


def select_accounts(
    ctx: Context, connection_id: UUID, chosen: Sequence[UUID] | Literal["all"],
) -> list[Account]:
    """Choose which accounts are read; those left out keep their stored rows.

    Raises Conflict before sign-in, Invalid for none, an unknown or an unusable one.
    """
    ctx.require("connections.write")
    connection = reading.get(ctx, connection_id)
    accounts = reading.accounts_of(ctx, connection_id)
    if not condition.signed_in(ctx, connection):
        raise Conflict(
            "Accounts can be chosen after signing in.", why="This connection has no sign-in yet.",
            fix="Sign in first.",
        )
    wanted = {a.id for a in accounts if a.usable} if chosen == "all" else set(chosen)
    _check_choice(accounts, wanted)
    before = sorted(a.external_id for a in accounts if a.selected)
    for account in accounts:
        account.selected = account.id in wanted
        ctx.session.add(account)
    after = sorted(a.external_id for a in accounts if a.selected)
    if str((connection.cause or {}).get("code")) == condition.OTHER_ACCOUNTS:
        connection.cause = None
    connection.wizard_step = max(connection.wizard_step, 4)
    connection.updated_at = ctx.now()
    ctx.session.add(connection)
    ctx.session.flush()
    condition.refresh(ctx, connection)
    if before != after:
        names = ", ".join(a.name for a in accounts if a.selected)
        condition.note(ctx, connection, "settings", f"Accounts chosen: {names[:400]}.")
        audit.record(ctx, "connection.accounts_chosen", connection, before=before, after=after)
    return [a for a in accounts if a.selected]


def remember(
    ctx: Context, connection: Connection, found: Sequence[AccountInfo]
) -> Difference:
    """Store what discovery found, by external id, and say what changed for the chosen ones."""
    known = {
        a.external_id: a for a in ctx.session.exec(
            select(Account).where(
                col(Account.org_id) == ctx.org, col(Account.connection_id) == connection.id
            )
        ).all()
    }
    recoined: list[str] = []
    for info in found:
        account = known.get(info.external_id)
        if account is None:
            account = Account(
                org_id=ctx.org, connection_id=connection.id, external_id=info.external_id[:120],
                name="", created_at=ctx.now(),
            )
        account.name = (info.name or info.external_id)[:400]
        account.time_zone = info.time_zone or "UTC"
        if _is_recoined(connection, account, info):
            recoined.append(f"{account.name}: {account.currency} before, {info.currency} now")
        else:
            account.currency = info.currency
        account.status, account.usable = info.status[:40], info.usable
        account.reason, account.extra = info.reason, dict(info.extra)
        ctx.session.add(account)
    seen = {info.external_id for info in found}
    for external_id, account in known.items():
        if external_id not in seen:
            account.usable, account.reason = False, GONE
            ctx.session.add(account)
    ctx.session.flush()
    return Difference(
        missing=tuple(sorted(
            a.name for e, a in known.items() if a.selected and e not in seen
        )),
        new=tuple(sorted(i.name for i in found if known and i.external_id not in known)),
        recoined=tuple(sorted(recoined)),
    )


def _is_recoined(connection: Connection, account: Account, info: AccountInfo) -> bool:
    """Whether another currency would give rows that are stored another meaning."""
    return bool(
        account.selected and condition.started(connection)
        and account.currency and info.currency and info.currency != account.currency
    )


def lost_by(
    ctx: Context, connection: Connection, found: Sequence[AccountInfo], *, origin: str
) -> Fix | None:
    """Why another key must not replace the one that is kept: it does not open what was chosen.

    `found` is what the new key sees, `origin` the platform's name. An account that was gone before,
    or whose id was never told, says nothing about the key.
    """
    seen = {info.external_id for info in found}
    chosen = [
        a for a in reading.accounts_of(ctx, connection.id)
        if a.selected and a.reason != GONE and a.external_id != UNKNOWN_ACCOUNT
    ]
    lost = [a for a in chosen if a.external_id not in seen]
    if not lost:
        return None
    names = ", ".join(dict.fromkeys(_own_name(a) for a in lost))[:300]
    others = ", ".join(i.name for i in found if not i.extra.get(STREAM_OF))[:300] or "no account"
    if len(lost) == len(chosen):
        what, fix = f"This key opens another account of {origin}.", (
            f"Enter a key of {names}, or connect {others} as a connection of its own.")
    else:
        what, fix = "This key does not open all accounts that were chosen.", (
            f"Enter a key that opens {names} as well, or first leave it out of the accounts.")
    return Fix(
        what, fix=fix, cause="credential", owner="you",
        why=f"It opens {others}, but this connection reads {names}. The key before it was kept.",
    )


def _own_name(account: Account) -> str:
    """An account's name; that of a defined stream is named by the account it was made under."""
    if account.extra.get(STREAM_OF):
        return account.external_id.partition("/")[0]
    return account.name


def choose_only_one(ctx: Context, connection: Connection) -> None:
    """Select the one usable account of a new connection, so that nobody clicks for nothing."""
    accounts = reading.accounts_of(ctx, connection.id)
    usable = [a for a in accounts if a.usable]
    if len(usable) == 1 and not any(a.selected for a in accounts):
        usable[0].selected = True
        ctx.session.add(usable[0])
        ctx.session.flush()


def also_connected(ctx: Context, connection_id: UUID) -> dict[str, list[str]]:
    """External account ids that other connections of this organization read: id -> names."""
    connection = reading.get(ctx, connection_id)
    rows = ctx.session.exec(
        select(Account.external_id, Connection.name)
        .join(Connection, col(Connection.id) == col(Account.connection_id))
        .where(
            col(Account.org_id) == ctx.org, col(Connection.org_id) == ctx.org,
            col(Connection.platform) == connection.platform,
            col(Connection.provenance) == connection.provenance,
            col(Connection.id) != connection.id, col(Connection.deleted_at).is_(None),
            col(Account.selected).is_(True),
        )
    ).all()
    found: dict[str, list[str]] = {}
    for external_id, name in rows:
        found.setdefault(external_id, []).append(name)
    return found


def _check_choice(accounts: Sequence[Account], wanted: set[UUID]) -> None:
    if not accounts:
        raise Conflict(
            "No accounts are known yet.", why="They are read from the platform after signing in.",
            fix="Sign in, or read the accounts again.",
        )
    by_id = {a.id: a for a in accounts}
    unknown = wanted - set(by_id)
    if unknown:
        raise Invalid(
            "One of these accounts does not belong to this connection.",
            why=f"Its id is {min(str(u) for u in unknown)}.",
            fix="Choose from the accounts of this connection.", field="accounts",
        )
    refused = [by_id[i] for i in wanted if not by_id[i].usable and not by_id[i].selected]
    if refused:
        raise Invalid(
            f"{refused[0].name} cannot be read.", why=refused[0].reason,
            fix="Leave it out, or choose another account.", field="accounts",
        )
    if not wanted:
        raise Invalid(
            "No account is chosen.", why="A connection reads at least one account.",
            fix="Choose one or more.", field="accounts",
        )
