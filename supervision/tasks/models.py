"""Rows of the tasks room: runs and their attempts, workers, queues, and what is asked of workers."""

import uuid

from django.db import models

from supervision.tasks.states import ENDED, Outcome, RunState

MAX_ID, MAX_NAME, MAX_QUEUE, MAX_APP, MAX_HOLDER, MAX_KEY = 255, 255, 128, 200, 2500, 2300


ENDED_VALUES = sorted(each.value for each in ENDED)


def choices(names: "type[RunState] | type[Outcome]") -> list[tuple[str, str]]:
    return [(str(name), str(name)) for name in names]


class TaskRun(models.Model):
    """One task, whatever its attempts: its id is Celery's, and the idempotency key that every attempt gets.

    `epoch` is the fencing token of the newest attempt and only grows. `publication` numbers the messages that were put into
    the broker for it: one that is older than the row's is a copy, and is dropped. A run with a `supervisor` or a `key` was
    committed before it was published; any other appears when a worker tells that it took it.
    """

    id = models.CharField(primary_key=True, max_length=MAX_ID)
    name = models.CharField(max_length=MAX_NAME)
    app = models.CharField(max_length=MAX_APP, blank=True)
    queue = models.CharField(max_length=MAX_QUEUE, blank=True)
    supervisor = models.CharField(
        max_length=128, blank=True, help_text="Of the TaskSupervisor that started it."
    )
    key = models.CharField(max_length=MAX_KEY, blank=True, help_text="Of the child that it is, in a tree.")
    tree = models.CharField(
        max_length=64, blank=True, help_text="Of its child, or of the worker that runs it."
    )
    parent = models.CharField(max_length=MAX_ID, blank=True)
    state = models.CharField(max_length=8, choices=choices(RunState), default=RunState.QUEUED.value)
    attempt = models.PositiveIntegerField(default=0)
    lost = models.PositiveIntegerField(default=0, help_text="Attempts that ended with a dead worker.")
    epoch = models.BigIntegerField(default=0)
    publication = models.PositiveIntegerField(default=0)
    spec = models.JSONField(default=dict, blank=True, help_text="Arguments and policy of a supervised task.")
    holder = models.CharField(max_length=MAX_HOLDER, blank=True)
    node_id = models.CharField(max_length=32, blank=True)
    pid = models.PositiveIntegerField(null=True)
    reason = models.CharField(max_length=300, blank=True)
    message = models.CharField(max_length=1000, blank=True)
    traceback = models.TextField(blank=True)
    result = models.JSONField(null=True)
    run_s = models.FloatField(null=True)
    due_at = models.DateTimeField(null=True, help_text="When it is to be published; none: it is published.")
    claimed_until = models.DateTimeField(null=True, help_text="A worker publishes it until then.")
    created_at = models.DateTimeField()
    published_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    changed_at = models.DateTimeField()
    revoke_requested_at = models.DateTimeField(null=True)
    revoked_by = models.CharField(max_length=200, blank=True)
    replays = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state__in=[each.value for each in RunState]), name="task_known_state"
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=ENDED_VALUES, ended_at__isnull=False)
                | (~models.Q(state__in=ENDED_VALUES) & models.Q(ended_at__isnull=True)),
                name="task_ended_has_a_time",
            ),
            models.CheckConstraint(condition=models.Q(epoch__gte=0), name="task_epoch_from_zero"),
        ]
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="task_newest"),
            models.Index(fields=["state", "-created_at"], name="task_by_state"),
            models.Index(fields=["name", "-created_at"], name="task_by_name"),
            models.Index(fields=["ended_at"], name="task_ended_at"),
            models.Index(
                fields=["supervisor", "created_at"],
                condition=models.Q(state__in=["queued", "retrying"]) & ~models.Q(supervisor=""),
                name="task_waiting",
            ),
            models.Index(fields=["due_at"], condition=models.Q(due_at__isnull=False), name="task_due"),
            models.Index(
                fields=["revoke_requested_at"],
                condition=models.Q(revoke_requested_at__isnull=False, ended_at__isnull=True),
                name="task_to_revoke",
            ),
            models.Index(
                fields=["started_at"],
                condition=models.Q(state="running"),
                name="task_running",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.id}"

    @property
    def is_supervised(self) -> bool:
        """Whether it was committed before it was published, so that it can be published again."""
        return bool(self.supervisor or self.key)


class TaskAttempt(models.Model):
    """One try. `epoch` is 0 where nothing is fenced: a plain task, as its worker told it."""

    run = models.ForeignKey(TaskRun, on_delete=models.CASCADE, related_name="attempts")
    number = models.PositiveIntegerField()
    epoch = models.BigIntegerField(default=0)
    publication = models.PositiveIntegerField(default=0)
    supervisor = models.CharField(max_length=128, blank=True)
    name = models.CharField(max_length=MAX_NAME, blank=True)
    holder = models.CharField(max_length=MAX_HOLDER, blank=True)
    pid = models.PositiveIntegerField(null=True)
    token = models.CharField(
        max_length=32, blank=True, help_text="Of the question that began it, asked twice or once."
    )
    outcome = models.CharField(max_length=8, choices=choices(Outcome), default=Outcome.RUNNING.value)
    reason = models.CharField(max_length=300, blank=True)
    message = models.CharField(max_length=1000, blank=True)
    traceback = models.TextField(blank=True)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    run_s = models.FloatField(null=True)

    class Meta:
        ordering = ["run_id", "number"]
        constraints = [
            models.UniqueConstraint(fields=["run", "number"], name="attempt_one_number"),
            models.CheckConstraint(
                condition=models.Q(outcome__in=[each.value for each in Outcome]), name="attempt_known_outcome"
            ),
        ]
        indexes = [
            models.Index(
                fields=["supervisor", "name", "started_at"],
                condition=~models.Q(supervisor=""),
                name="attempt_by_supervisor",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.run_id} attempt {self.number}"


class TaskWorker(models.Model):
    """A worker as it last told of itself: one life of a `celery_worker`, or of a supervised program that consumes."""

    holder = models.CharField(primary_key=True, max_length=MAX_HOLDER)
    node_id = models.CharField(max_length=32)
    key = models.CharField(max_length=MAX_KEY)
    tree = models.CharField(max_length=64)
    incarnation = models.BigIntegerField()
    pid = models.PositiveIntegerField()
    name = models.CharField(max_length=255, blank=True, help_text="Celery's name of the worker.")
    app = models.CharField(max_length=MAX_APP, blank=True)
    pool = models.CharField(max_length=40, blank=True)
    concurrency = models.PositiveIntegerField(default=0)
    queues = models.JSONField(default=list)
    running = models.PositiveIntegerField(default=0)
    tasks_total = models.BigIntegerField(default=0)
    memory_bytes = models.BigIntegerField(
        null=True, help_text="What it and its pool children use, shared pages counted once."
    )
    consumes = models.BooleanField(default=True)
    stalled_queue = models.CharField(max_length=MAX_QUEUE, blank=True)
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()

    class Meta:
        ordering = ["key", "node_id", "-incarnation"]
        indexes = [models.Index(fields=["seen_at"], name="taskworker_seen_at")]

    def __str__(self) -> str:
        return f"{self.key} {self.incarnation}"


class TaskQueue(models.Model):
    """A broker's queue as a worker that consumes it last saw it."""

    app = models.CharField(max_length=MAX_APP)
    name = models.CharField(max_length=MAX_QUEUE)
    length = models.BigIntegerField(default=0)
    oldest_s = models.FloatField(null=True, help_text="Age of the message that comes next; none: not known.")
    seen_at = models.DateTimeField()
    seen_by = models.CharField(max_length=MAX_HOLDER, blank=True)

    class Meta:
        ordering = ["app", "name"]
        constraints = [models.UniqueConstraint(fields=["app", "name"], name="queue_one_row")]
        indexes = [models.Index(fields=["seen_at"], name="taskqueue_seen_at")]

    def __str__(self) -> str:
        return self.name


class RequestState(models.TextChoices):
    PENDING = "pending", "pending"
    CLAIMED = "claimed", "claimed"
    DONE = "done", "done"
    FAILED = "failed", "failed"


class RequestKind(models.TextChoices):
    PEEK = "peek", "peek"
    PURGE = "purge", "purge"
    RETURN = "return", "return"


class WorkerRequest(models.Model):
    """Something that only a worker can do, as the broker's credentials are its own: to look into a queue, to empty it, to
    put a parked message back. Taken by one worker of the application, answered or failed within its deadline."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=8, choices=RequestKind.choices)
    app = models.CharField(max_length=MAX_APP)
    queue = models.CharField(max_length=MAX_QUEUE, blank=True)
    body = models.JSONField(default=dict)
    state = models.CharField(max_length=8, choices=RequestState.choices, default=RequestState.PENDING)
    answer = models.JSONField(null=True)
    requested_by = models.CharField(max_length=200)
    claimed_by = models.CharField(max_length=MAX_HOLDER, blank=True)
    created_at = models.DateTimeField()
    deadline_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-created_at", "id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state__in=RequestState.values), name="workerrequest_known_state"
            ),
        ]
        indexes = [
            models.Index(fields=["created_at"], name="workerrequest_created_at"),
            models.Index(
                fields=["app", "created_at"],
                condition=models.Q(state="pending"),
                name="workerrequest_pending",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.queue}"


class PoolScale(models.Model):
    """What is wanted of a pool, a child of kind `celery_worker`, beside what its tree's document says: how many workers, and
    why; that it is drained; that every worker is replaced; which one is recycled."""

    tree = models.CharField(max_length=64)
    path = models.CharField(max_length=MAX_KEY, help_text="Of the child in its tree's document.")
    workers = models.PositiveIntegerField()
    by_hand = models.PositiveIntegerField(null=True, help_text="What an operator asked for; none: automatic.")
    reason = models.CharField(max_length=300, blank=True)
    changed_at = models.DateTimeField()
    drained_at = models.DateTimeField(null=True, help_text="Since when it is to have no worker.")
    roll_before = models.DateTimeField(
        null=True, help_text="Workers that began before it are replaced, one after the other."
    )
    roll_reason = models.CharField(max_length=300, blank=True)
    recycling = models.JSONField(
        default=dict,
        blank=True,
        help_text="`now`: the worker that is being replaced; `last`: the one before.",
    )

    class Meta:
        ordering = ["tree", "path"]
        constraints = [models.UniqueConstraint(fields=["tree", "path"], name="poolscale_one_row")]

    def __str__(self) -> str:
        return f"{self.tree}/{self.path}: {self.workers}"
