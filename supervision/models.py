"""Index of the rooms' models: Django sees one app and one migration history."""

from supervision.alerts.models import Alert, AlertRule, Channel, Delivery, Silence
from supervision.auditlog.models import AuditEntry, AuditSegment
from supervision.auditruns.models import (
    AuditEpisode,
    AuditFinding,
    AuditMeasure,
    AuditProject,
    AuditRun,
    AuditTest,
)
from supervision.errors.store.models import (
    ErrorActivity,
    ErrorDiscard,
    ErrorEvent,
    ErrorEventKey,
    ErrorIntake,
    ErrorIssue,
    ErrorIssueHash,
    ErrorIssueHour,
    ErrorIssueStat,
    ErrorIssueUser,
    ErrorKey,
    ErrorProject,
    ErrorRelease,
    ErrorRule,
    ErrorTag,
)
from supervision.errors.store.monitor_models import CheckIn, Monitor
from supervision.errors.store.occasion_models import ErrorIssueMinute, ErrorOccasion
from supervision.errors.store.owner_models import ErrorOwner, ErrorTeam, ErrorWatcher
from supervision.errors.store.release_models import ErrorAttachment, ErrorReleaseHour, ErrorReleaseUser
from supervision.errors.store.search_models import ErrorIssueSearch
from supervision.errors.store.sighting_models import ErrorSighting
from supervision.errors.store.spike_models import ErrorProjectHour, ErrorSpike
from supervision.errors.store.transaction_models import ErrorTransactionHour
from supervision.fleet.models import Leadership, Node
from supervision.health.models import HealthCheck
from supervision.journal.models import (
    Incarnation,
    JournalRecord,
    ObservedChild,
    ObservedTree,
    Stray,
    StreamBase,
    StreamCursor,
)
from supervision.leakwatch.models import LeakFinding, SharedLeak
from supervision.programs.models import ProgramCursor
from supervision.remediation.models import (
    RemediationCriterion,
    RemediationPhase,
    RemediationPlan,
    RemediationStep,
)
from supervision.rules.issues.models import IssueFiring, IssueNews, IssueRule
from supervision.rules.models import Crossing, MeasureRule, Objective, ObjectiveMinute, QueueMinute
from supervision.samples.models import SampleHour, SampleMinute
from supervision.tasks.models import PoolScale, TaskAttempt, TaskQueue, TaskRun, TaskWorker, WorkerRequest
from supervision.trees.models import Command, Placement, Rollout, Tree, TreeRevision

__all__ = [
    "Alert",
    "AlertRule",
    "AuditEntry",
    "AuditEpisode",
    "AuditFinding",
    "AuditMeasure",
    "AuditProject",
    "AuditRun",
    "AuditSegment",
    "AuditTest",
    "Channel",
    "CheckIn",
    "Command",
    "Crossing",
    "Delivery",
    "ErrorActivity",
    "ErrorAttachment",
    "ErrorDiscard",
    "ErrorEvent",
    "ErrorEventKey",
    "ErrorIntake",
    "ErrorIssue",
    "ErrorIssueHash",
    "ErrorIssueHour",
    "ErrorIssueMinute",
    "ErrorIssueSearch",
    "ErrorIssueStat",
    "ErrorIssueUser",
    "ErrorKey",
    "ErrorOccasion",
    "ErrorOwner",
    "ErrorProject",
    "ErrorProjectHour",
    "ErrorRelease",
    "ErrorReleaseHour",
    "ErrorReleaseUser",
    "ErrorRule",
    "ErrorSighting",
    "ErrorSpike",
    "ErrorTag",
    "ErrorTeam",
    "ErrorTransactionHour",
    "ErrorWatcher",
    "HealthCheck",
    "Incarnation",
    "IssueFiring",
    "IssueNews",
    "IssueRule",
    "JournalRecord",
    "Leadership",
    "LeakFinding",
    "MeasureRule",
    "Monitor",
    "Node",
    "Objective",
    "ObjectiveMinute",
    "ObservedChild",
    "ObservedTree",
    "Placement",
    "PoolScale",
    "ProgramCursor",
    "QueueMinute",
    "RemediationCriterion",
    "RemediationPhase",
    "RemediationPlan",
    "RemediationStep",
    "Rollout",
    "SampleHour",
    "SampleMinute",
    "SharedLeak",
    "Silence",
    "Stray",
    "StreamBase",
    "StreamCursor",
    "TaskAttempt",
    "TaskQueue",
    "TaskRun",
    "TaskWorker",
    "Tree",
    "TreeRevision",
    "WorkerRequest",
]
