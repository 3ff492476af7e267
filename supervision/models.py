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
from supervision.fleet.models import Leadership, Node
from supervision.journal.models import (
    Incarnation,
    JournalRecord,
    ObservedChild,
    ObservedTree,
    Stray,
    StreamBase,
    StreamCursor,
)
from supervision.programs.models import ProgramCursor
from supervision.remediation.models import (
    RemediationCriterion,
    RemediationPhase,
    RemediationPlan,
    RemediationStep,
)
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
    "Command",
    "Delivery",
    "Incarnation",
    "JournalRecord",
    "Leadership",
    "Node",
    "ObservedChild",
    "ObservedTree",
    "Placement",
    "PoolScale",
    "ProgramCursor",
    "RemediationCriterion",
    "RemediationPhase",
    "RemediationPlan",
    "RemediationStep",
    "Rollout",
    "SampleHour",
    "SampleMinute",
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
