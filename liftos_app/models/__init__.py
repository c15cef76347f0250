"""Tables and enums, no behaviour. Importing this package registers every table.

Rules: a table of an organization carries `org_id` (integer, inside only; the public id of an
organization is a UUID). Ids that leave the process are UUIDs; facts use integer keys (`*_key`).
Money is whole micro-units (1/1,000,000) of the currency named beside it. Datetimes are aware UTC,
`day` is a calendar day in the account's time zone.
"""

from liftos_app.models.audit import (
    AuditCheckpoint,
    AuditEntry,
    AuditHead,
    AuditKey,
    Incident,
    Outbox,
)
from liftos_app.models.connections import (
    Account,
    Connection,
    ConnectionStatus,
    Coverage,
    CoverageState,
    Credential,
    OAuthRequest,
    Provenance,
    StreamState,
)
from liftos_app.models.engine import (
    Breaker,
    RateBudget,
    Restatement,
    ResyncChange,
    StagedUnit,
    SyncPreference,
)
from liftos_app.models.facts import (
    CrmRecord,
    Entity,
    FactDaily,
    FactExtra,
    MailFact,
    Order,
    OrderLine,
    Payment,
    RateDay,
    Refund,
    SourceRecord,
)
from liftos_app.models.identity import (
    ApiKey,
    Invitation,
    OneTimeLink,
    PendingSignIn,
    ProviderSignIn,
    RecoveryCode,
    SecondFactor,
    UserIdentity,
)
from liftos_app.models.people import (
    DataKey,
    KeyCheck,
    LoginAttempt,
    Membership,
    Organization,
    RefreshToken,
    Role,
    User,
    WebSession,
)
from liftos_app.models.quality import CheckResult, QualityScore
from liftos_app.models.requests import KeptAnswer
from liftos_app.models.retention import RetentionRun, RetentionSetting
from liftos_app.models.syncs import (
    EventKind,
    EventLevel,
    Lease,
    RejectedRow,
    RunState,
    StreamRun,
    SyncEvent,
    SyncRun,
)

__all__ = [
    "Account", "ApiKey", "AuditCheckpoint", "AuditEntry", "AuditHead", "AuditKey", "Breaker",
    "CheckResult", "Connection", "ConnectionStatus", "Coverage", "CoverageState", "Credential",
    "CrmRecord", "DataKey", "Entity", "EventKind", "EventLevel", "FactDaily", "FactExtra",
    "Incident", "Invitation",
    "KeptAnswer", "KeyCheck", "Lease", "LoginAttempt", "MailFact", "Membership", "OAuthRequest",
    "OneTimeLink", "Order", "OrderLine", "Organization", "Outbox", "Payment", "PendingSignIn",
    "Provenance", "ProviderSignIn", "QualityScore", "RateBudget", "RateDay", "RecoveryCode",
    "RefreshToken", "Refund", "RejectedRow", "Restatement", "ResyncChange", "RetentionRun",
    "RetentionSetting", "Role", "RunState", "SecondFactor", "SourceRecord", "StagedUnit",
    "StreamRun", "StreamState", "SyncEvent", "SyncPreference", "SyncRun", "User", "UserIdentity",
    "WebSession",
]
