"""The data map: what each table is for, on which ground, for how long, and how near to a person
each column is. Exports, erasure and docs/security/data-map.md are driven by it.

Classes of columns: `key` technical ids; `plain` says nothing about a person; `personal` names or
traces one; `pseudonym` a keyed hash or a random id standing for one; `free` text or JSON of others
that may hold anything; `hidden` hashes and sealed values, which are never exported.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

CLASSES: Final = ("key", "plain", "personal", "pseudonym", "free", "hidden")
CONTRACT, INTEREST, DUTY = "contract (6.1 b)", "legitimate interest (6.1 f)", "legal duty (6.1 c)"


@dataclass(frozen=True, slots=True)
class Entry:
    """One table. `of`: organization, person or installation: whose erasure takes it along."""

    purpose: str
    basis: str
    keep: str
    of: str
    classes: dict[str, str]  # class -> column names, separated by blanks

    def class_of(self, column: str) -> str:
        """The class of a column, "" when nobody gave it one."""
        return next((c for c, names in self.classes.items() if column in names.split()), "")


def _org(purpose: str, keep: str = "2 years, or less by choice", **classes: str) -> Entry:
    return Entry(purpose, CONTRACT, keep, "organization", classes)


def _person(purpose: str, keep: str, **classes: str) -> Entry:
    return Entry(purpose, CONTRACT, keep, "person", classes)


def _ours(purpose: str, keep: str, basis: str = INTEREST, **classes: str) -> Entry:
    return Entry(purpose, basis, keep, "installation", classes)


WHILE_CONNECTED, WHILE_HERE = "until the connection is deleted", "until the organization ends"

TABLES: Final[dict[str, Entry]] = {
    # --- people ---------------------------------------------------------------------------------
    "user_account": _person(
        "Sign in and tell people apart", "until erased", key="id",
        plain="is_super_admin auth_epoch created_at disabled_at",
        personal="email email_key name last_sign_in_at", hidden="password_hash",
    ),
    "membership": _org("Who may do what", WHILE_HERE, key="org_id", pseudonym="user_id",
                       plain="role created_at"),
    "web_session": _person(
        "Keep a browser signed in", "24 hours", key="id org_id", pseudonym="user_id",
        plain="created_at last_seen_at expires_at proved_at", personal="ip user_agent",
        hidden="token_hash tab_hashes",
    ),
    "refresh_token": _person(
        "Keep a program signed in", "24 hours after its end", key="id family_id org_id",
        pseudonym="user_id", plain="family_started_at created_at expires_at spent_at revoked_at",
        hidden="token_hash client_hash",
    ),
    "api_key": _org(
        "Let programs act for a person", "30 days after its end", key="id key_id org_id",
        pseudonym="user_id", plain="name scopes created_at expires_at last_used_at revoked_at",
        hidden="secret_hash",
    ),
    "second_factor": _person("Prove who somebody is", "until removed", pseudonym="user_id",
                             key="org_id", plain="last_step created_at confirmed_at",
                             hidden="sealed"),
    "recovery_code": _person("Replace a lost second factor", "until replaced", key="id",
                             pseudonym="user_id", plain="created_at used_at",
                             hidden="handle code_hash"),
    "user_identity": _person("Sign in through a provider", "until erased",
                             plain="issuer created_at", personal="subject", pseudonym="user_id"),
    "provider_sign_in": _ours("A sign-in under way", "10 minutes", plain="next_path created_at "
                              "expires_at", hidden="state_hash browser_hash"),
    "pending_sign_in": _person("A sign-in under way", "10 minutes", key="id org_id",
                               pseudonym="user_id", plain="next_path created_at expires_at",
                               hidden="token_hash"),
    "one_time_link": _person("Set-up, new password or address, copies", "24 hours after its end",
                             key="id org_id", pseudonym="user_id",
                             plain="purpose created_at expires_at used_at", hidden="token_hash"),
    "login_attempt": _ours("Stop guessing of passwords", "24 hours", key="id", plain="at ok",
                           pseudonym="account_hash", personal="ip"),
    "invitation": _org(
        "Let somebody join", "30 days after its end", key="id org_id", personal="email email_key",
        plain="role created_at expires_at accepted_at revoked_at", pseudonym="invited_by",
        hidden="token_hash",
    ),
    # --- organization ---------------------------------------------------------------------------
    "organization": _org("The customer", WHILE_HERE, key="id public_id",
                         plain="name currency time_zone week_start revenue_basis settings "
                         "require_mfa created_at"),
    "retention_setting": _org("How long data is kept", WHILE_HERE, key="org_id",
                              plain="marketing_days hold_since erase_at changed_at",
                              free="hold_reason", pseudonym="hold_by erase_asked_by"),
    "retention_run": _org("Proof of what was deleted", key="id org_id",
                          plain="started_at finished_at counts"),
    "kept_answer": _org("Answer a repeated request alike", "24 hours", key="org_id",
                        pseudonym="actor", plain="key request_hash status created_at",
                        free="answer"),
    "rate_day": _org("Turn currencies into one", WHILE_HERE, key="org_id",
                     plain="base currency day rate source", pseudonym="entered_by"),
    # --- connections ----------------------------------------------------------------------------
    "connection": _org(
        "A link to a platform", WHILE_HERE, key="id org_id", pseudonym="created_by",
        plain="platform name status provenance auth_kind streams history_days schedule "
        "schedule_zone wizard_step next_run_at paused_at last_success_at cause color_index "
        "created_at updated_at deleted_at sync_window priority drift_policy", free="options",
    ),
    "credential": _org("Act for the organization at a platform", WHILE_CONNECTED,
                       key="id org_id connection_id", plain="field row_version expires_at scopes "
                       "updated_at", hidden="sealed hint"),
    "data_key": _org("Seal what is secret", WHILE_CONNECTED, key="id org_id scope_id",
                     plain="scope_type generation kid state created_at destroyed_at",
                     hidden="wrapped"),
    "oauth_request": _org("A consent under way", "10 minutes", key="org_id connection_id",
                          pseudonym="user_id session_id", plain="platform redirect_uri created_at "
                          "expires_at", hidden="state_hash verifier_sealed"),
    "account": _org("A container at a platform", WHILE_CONNECTED, key="key id org_id connection_id",
                    plain="external_id name currency time_zone status usable reason selected "
                    "created_at", free="extra"),
    "stream_state": _org("Where reading goes on", WHILE_CONNECTED, key="id org_id account_key",
                         plain="stream cursor newest_day oldest_day columns last_read_at "
                         "caught_up_from column_seen new_columns gone_columns steady_columns "
                         "whole_readings", free="error"),
    "coverage": _org("Which days are complete", key="account_key org_id run_id",
                     plain="stream day state row_count digest first_read_at read_at"),
    # --- syncs ----------------------------------------------------------------------------------
    "sync_run": _org(
        "What a sync did", key="id org_id connection_id", pseudonym="created_by",
        plain="state trigger request created_at started_at finished_at heartbeat_at waiting_until "
        "holder epoch attempts windows_total windows_done rows_read rows_written rows_updated "
        "rows_unchanged rows_rejected rows_removed rows_restated requests waiting_for undone_at",
        free="cause",
    ),
    "stream_run": _org(
        "What a sync did, by stream", key="id org_id run_id account_key",
        plain="stream state days_total days_done current_day rows_read rows_written rows_updated "
        "rows_unchanged rows_rejected rows_removed rows_restated bytes_read requests seconds "
        "waiting_until",
        free="error",
    ),
    "restatement": _org("What a platform changed afterwards", key="id org_id run_id account_key",
                        plain="stream level entity_id day field before after at"),
    "resync_change": _org("Undo a re-sync", key="id org_id run_id account_key",
                          plain="stream table_name row_count at", free="body"),
    "staged_unit": _org("What a re-sync has read and not yet swapped in", "until the swap",
                        key="run_id account_key org_id", plain="stream first_day last_day at",
                        free="body"),
    "sync_preference": _org("How syncs run", WHILE_HERE, key="org_id",
                            plain="schedule history_days sync_window drift_policy "
                            "fallback updated_at"),
    "sync_event": _org("The log of a connection", key="id org_id connection_id run_id",
                       plain="at level kind stream", free="text facts"),
    "rejected_row": _org("What could not be stored, and why", key="id org_id run_id account_key",
                         plain="stream day reason at", free="record"),
    "source_record": _org("Where each number is from", key="account_key org_id",
                          plain="stream slot records digest read_at", free="body"),
    "check_result": _org(
        "Quality of the data", key="id org_id batch account_key",
        plain="check dimension rule_version stream window_start window_end numerator denominator "
        "result reason evaluated_at", free="evidence",
    ),
    "quality_score": _org(
        "Quality of the data", key="id org_id batch",
        plain="provenance completeness accuracy timeliness consistency validity uniqueness "
        "worst_delay_seconds overall measured verdict evaluated_at",
    ),
    # --- marketing data -------------------------------------------------------------------------
    "entity": _org("Campaigns, ads, products", WHILE_CONNECTED, key="key org_id account_key",
                   plain="level external_id parent_id status first_seen_at updated_at",
                   free="name attrs"),
    "fact_daily": _org("Results by day", key="account_key entity_key org_id",
                       plain="level day setting impressions clicks spend_micros "
                       "conversions_micros value_micros"),
    "fact_extra": _org("Rarer results by day", key="account_key entity_key org_id",
                       plain="level day metric value"),
    "mail_fact": _org("Results of mails", key="account_key entity_key org_id",
                      plain="level day recipients delivered opens_unique clicks_unique "
                      "unsubscribes spam_complaints bounced conversions value_micros"),
    "store_order": _org(
        "Revenue", key="key org_id account_key", pseudonym="customer_ref",
        plain="external_id name day processed_at updated_at cancelled_at is_test financial_status "
        "currency gross_micros subtotal_micros discount_micros shipping_micros tax_micros "
        "refunded_micros items customer_order_index source utm_source utm_medium utm_campaign",
        free="attrs",
    ),
    "store_order_line": _org("Revenue by product", key="key org_id account_key",
                             plain="external_id order_id product_id title sku quantity "
                             "amount_micros"),
    "store_refund": _org("Revenue given back", key="key org_id account_key",
                         plain="external_id order_id day processed_at currency amount_micros "
                         "goods_micros"),
    "crm_record": _org(
        "Deals and the contacts behind them", key="key org_id account_key", pseudonym="person_ref",
        plain="kind external_id day created_at updated_at status stage amount_micros currency "
        "closed_day is_closed is_won source campaign_id parent_id owner_id deleted",
        free="name attrs",
    ),
    "payment": _org(
        "Money that moved", key="key org_id account_key", pseudonym="customer_ref",
        plain="kind external_id day occurred_at updated_at status category currency amount_micros "
        "fee_micros net_micros refunded_micros parent_id order_ref is_test", free="attrs",
    ),
    # --- the installation -----------------------------------------------------------------------
    "audit_entry": _ours(
        "Show who did what", "7 years", DUTY, key="seq org_id object_id request_id mac_kid",
        pseudonym="actor_id session_ref", personal="ip", free="reason data",
        plain="at actor_type action object_type result", hidden="prev_hash hash mac",
    ),
    "audit_head": _ours("The end of the audit chain", "always", DUTY, key="id seq", hidden="hash"),
    "audit_checkpoint": _ours("Make a cut audit log visible", "always", DUTY, key="seq first_seq",
                              plain="at kid dropped_at", hidden="hash root mac"),
    "audit_key": _ours("Check old audit entries", "7 years", DUTY, key="kid sealed_by",
                       hidden="sealed"),
    "incident": _ours("Notice attacks", "7 years", key="id org_id acknowledged_by",
                      plain="rule level opened_at last_at count acknowledged_at",
                      free="key evidence words"),
    # Messages are sealed, their recipient is a keyed hash; alerts repeat the words of `incident`.
    "outbox": _ours("Send messages and alerts", "until sent, 24 hours at most", key="id org_id",
                    plain="kind created_at taken_at", hidden="payload"),
    "breaker": _ours("Leave a failing platform alone", "until replaced", key="name org_id",
                     plain="platform failures trips until updated_at", free="cause"),
    "rate_budget": _ours("Keep within the limits of platforms", "until replaced", key="name",
                         plain="tokens at held"),
    "key_check": _ours("Notice a wrong master key", "always", plain="kid",
                       hidden="mac pseudonym_root"),
    "lease": _ours("Let one process at a time do a thing", "always",
                   plain="name holder epoch expires_at"),
}


def of_table(name: str) -> Entry:
    """The entry of a table. Raises KeyError for one that nobody described."""
    return TABLES[name]


def exported_columns(table: Any) -> list[str]:
    """The columns of a table that an export holds: all but the hidden ones."""
    entry = of_table(table.name)
    return [c.name for c in table.columns if entry.class_of(c.name) != "hidden"]


def markdown(tables: Any) -> str:
    """The map as docs/security/data-map.md shows it."""
    lines = ["| Table | Purpose | Ground | Kept | Personal | Pseudonyms | Free text | Hidden |",
             "|---|---|---|---|---|---|---|---|"]
    for table in sorted(tables, key=lambda t: t.name):
        entry = of_table(table.name)
        by_class = {c: [n.name for n in table.columns if entry.class_of(n.name) == c]
                    for c in CLASSES}
        shown = (", ".join(f"`{n}`" for n in by_class[c])
                 for c in ("personal", "pseudonym", "free", "hidden"))
        lines.append(
            f"| `{table.name}` | {entry.purpose} | {entry.basis} | {entry.keep} | "
            + " | ".join(shown) + " |"
        )
    return "\n".join(lines)
