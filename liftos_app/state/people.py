"""People & roles: members, open invitations, the permission matrix."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from liftos_app.errors import Invalid
from liftos_app.models import Organization, Role
from liftos_app.services import access, invitations, people
from liftos_app.services import format as fmt
from liftos_app.services.context import Context
from liftos_app.state.app import AppState, as_id, handler, perform

GRANTABLE: Final = tuple(r for r in access.ORDER if r is not Role.SUPER_ADMIN)


@dataclass
class MemberRow:
    """A person in finished words; `changeable` when the viewer may act on them."""

    id: str
    name: str
    email: str
    role: str
    role_word: str
    seen: str
    factor: bool
    disabled: bool
    me: bool
    changeable: bool


@dataclass
class InvitationRow:
    """An open invitation."""

    id: str
    email: str
    role: str
    ends: str


@dataclass
class PeopleView:
    """What the page shows."""

    may_write: bool = False
    mfa_everybody: bool = False
    count: str = ""
    members: list[MemberRow] = field(default_factory=list)
    invitations: list[InvitationRow] = field(default_factory=list)
    grantable: list[list[str]] = field(default_factory=list)
    matrix: list[list[str]] = field(default_factory=list)


class PeopleState(AppState):
    """The page at /settings/people."""

    people: PeopleView = PeopleView()
    people_loaded: bool = False

    @handler("members.read")
    async def load(self):
        """Read everybody."""
        self.people = await perform(_view)
        self.people_loaded = True

    @handler("members.write")
    async def set_role(self, user_id: str, role: str):
        """Another role for a member."""
        await perform(_set_role, user_id, role, write=True)
        self._note("ok", f"The role is {role.replace('_', ' ')} now.",
                   more="They sign in again to use it.")
        self.people = await perform(_view)

    @handler("members.write")
    async def remove(self, user_id: str):
        """Take a member out."""
        await perform(_remove, user_id, write=True)
        self._note("ok", "The person was removed.", more="Their sessions, tokens and keys ended.")
        self.people = await perform(_view)

    @handler("members.write")
    async def sign_out(self, user_id: str):
        """End a member's sessions here."""
        count = await perform(_sign_out, user_id, write=True)
        self._note("ok", f"{fmt.plural(count, 'session')} ended.")
        self.people = await perform(_view)

    @handler("members.write")
    async def withdraw(self, invitation_id: str):
        """Withdraw an invitation."""
        await perform(_withdraw, invitation_id, write=True)
        self._note("ok", "The invitation was withdrawn.", more="Its link opens nothing any more.")
        self.people = await perform(_view)

    @handler("members.write")
    async def require_factor(self, on: bool):
        """Ask a second factor of everybody in the organization."""
        await perform(_require_factor, on, write=True)
        self._note("ok", "A second factor is required of everybody." if on else
                   "A second factor is no longer required of everybody.")
        self.people = await perform(_view)


def _view(ctx: Context) -> PeopleView:
    mine, zone = ctx.who.role, ctx.session.get_one(Organization, ctx.org).time_zone
    may_write = ctx.can("members.write")
    rows = [_row(ctx, m, zone=zone, may_write=may_write) for m in people.list_members(ctx)]
    return PeopleView(
        may_write=may_write,
        mfa_everybody=ctx.session.get_one(Organization, ctx.org).require_mfa,
        count=fmt.plural(len(rows), "person", "people"),
        members=rows,
        invitations=[
            InvitationRow(
                str(i.id), i.email, access.word(Role(i.role)).capitalize(),
                fmt.moment(i.expires_at, zone),
            )
            for i in invitations.list_open(ctx)
        ],
        grantable=[
            [r.value, access.word(r).capitalize()] for r in GRANTABLE
            if mine is not None and not access.is_above(r, mine)
        ],
        matrix=[
            [words, *("yes" if held else "" for held in holds)]
            for _, words, holds in access.matrix()
        ],
    )


def _row(ctx: Context, member: people.Member, *, zone: str, may_write: bool) -> MemberRow:
    mine = ctx.who.role
    above = mine is None or access.is_above(member.role, mine)
    seen = member.last_sign_in_at
    return MemberRow(
        id=str(member.user_id), name=member.name or member.email, email=member.email,
        role=member.role.value, role_word=access.word(member.role).capitalize(),
        seen=fmt.ago(seen, ctx.now(), zone) if seen else "never", factor=member.second_factor,
        disabled=member.disabled, me=member.me,
        changeable=may_write and not member.me and not above and member.role in GRANTABLE,
    )


def _set_role(ctx: Context, user_id: str, role: str) -> None:
    if role not in set(Role):
        raise Invalid("This is no role.", fix="Choose one from the list.", field="role")
    people.set_role(ctx, as_id(user_id), Role(role))


def _remove(ctx: Context, user_id: str) -> None:
    people.remove(ctx, as_id(user_id))


def _sign_out(ctx: Context, user_id: str) -> int:
    return people.end_sessions_of(ctx, as_id(user_id))


def _withdraw(ctx: Context, invitation_id: str) -> None:
    invitations.revoke(ctx, as_id(invitation_id))


def _require_factor(ctx: Context, on: bool) -> None:
    people.require_second_factor(ctx, on=on)
