"""Bodies about tasks, workers and queues."""

from typing import Any

from rest_framework import serializers

from controlplane.api.shapes import Body
from supervision.tasks.models import MAX_APP, MAX_NAME, MAX_QUEUE, RequestKind, RequestState
from supervision.tasks.states import Outcome, RunState

STATES = [state.value for state in RunState]


class TaskShape(serializers.Serializer[Any]):
    """A task, whatever its attempts."""

    id = serializers.CharField(help_text="Celery's, and the idempotency key of every attempt.")
    name = serializers.CharField()
    app = serializers.CharField()
    queue = serializers.CharField()
    supervisor = serializers.CharField(help_text="Of the TaskSupervisor that started it; empty: none.")
    key = serializers.CharField(help_text="Of the child that it is, in a tree; empty: it is none.")
    tree = serializers.CharField()
    state = serializers.ChoiceField(STATES)
    attempt = serializers.IntegerField(help_text="Number of the newest attempt; 0: none began.")
    lost = serializers.IntegerField(help_text="Attempts that ended with a dead worker.")
    epoch = serializers.IntegerField(help_text="Fencing token of the newest attempt; 0: a plain task.")
    supervised = serializers.BooleanField(
        source="is_supervised", help_text="Its row was there before it was published."
    )
    holder = serializers.CharField(help_text="node id/child key/incarnation/pid of the worker that has it.")
    node = serializers.CharField(source="node_id")
    pid = serializers.IntegerField(allow_null=True)
    reason = serializers.CharField(help_text="How the newest attempt ended.")
    message = serializers.CharField()
    created_at = serializers.DateTimeField()
    published_at = serializers.DateTimeField(allow_null=True)
    due_at = serializers.DateTimeField(allow_null=True, help_text="When it is published; null: it is.")
    started_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)
    run_s = serializers.FloatField(allow_null=True, help_text="Seconds that the newest attempt ran.")
    revoke_requested_at = serializers.DateTimeField(allow_null=True)
    revoked_by = serializers.CharField()
    replays = serializers.IntegerField()


class TaskAttemptShape(serializers.Serializer[Any]):
    """One try."""

    number = serializers.IntegerField()
    epoch = serializers.IntegerField()
    holder = serializers.CharField()
    pid = serializers.IntegerField(allow_null=True)
    outcome = serializers.ChoiceField([outcome.value for outcome in Outcome])
    reason = serializers.CharField()
    message = serializers.CharField()
    traceback = serializers.CharField()
    started_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)
    run_s = serializers.FloatField(allow_null=True)


class TaskDetailShape(TaskShape):
    """A task with its attempts, the newest 100."""

    traceback = serializers.CharField()
    result = serializers.JSONField(allow_null=True, help_text="What a supervised task answered.")
    attempts = TaskAttemptShape(many=True)


class TaskAction(Body):
    """Why."""

    reason = serializers.CharField(max_length=2000, default="", allow_blank=True)


class ReplayBody(Body):
    """Which dead letters to run again: of a name, of a queue, or of both; at most 1,000 at once, oldest first."""

    name = serializers.CharField(max_length=MAX_NAME, default="", allow_blank=True)
    queue = serializers.CharField(max_length=MAX_QUEUE, default="", allow_blank=True)
    reason = serializers.CharField(max_length=2000, default="", allow_blank=True)


class ReplayedShape(serializers.Serializer[Any]):
    """How many were put into their queues again."""

    replayed = serializers.IntegerField()


class TaskWorkerShape(serializers.Serializer[Any]):
    """A worker as it last told of itself."""

    holder = serializers.CharField()
    key = serializers.CharField()
    tree = serializers.CharField()
    node = serializers.CharField(source="node_id")
    incarnation = serializers.IntegerField()
    pid = serializers.IntegerField()
    name = serializers.CharField()
    app = serializers.CharField()
    pool = serializers.CharField()
    concurrency = serializers.IntegerField()
    queues = serializers.ListField(child=serializers.CharField())
    running = serializers.IntegerField()
    tasks_total = serializers.IntegerField()
    memory_bytes = serializers.IntegerField(
        allow_null=True, help_text="Of it and its pool children; shared pages are counted once."
    )
    consumes = serializers.BooleanField(help_text="False: connected, its queue grows, and it takes nothing.")
    started_at = serializers.DateTimeField()
    seen_at = serializers.DateTimeField()


class TaskQueueShape(serializers.Serializer[Any]):
    """A queue as a worker last saw it."""

    id = serializers.IntegerField()
    app = serializers.CharField()
    name = serializers.CharField()
    length = serializers.IntegerField()
    oldest_s = serializers.FloatField(allow_null=True, help_text="Age of the message that comes next.")
    seen_at = serializers.DateTimeField()


class TaskPoolShape(serializers.Serializer[Any]):
    """A child of kind `celery_worker`: what is wanted of it, what is, and who decides."""

    key = serializers.CharField()
    tree = serializers.CharField()
    path = serializers.CharField()
    app = serializers.CharField(help_text="As its tree names it.")
    queues = serializers.ListField(child=serializers.CharField())
    workers = serializers.IntegerField(help_text="That told of themselves lately, on all nodes.")
    wanted = serializers.IntegerField(help_text="On each node that has the tree.")
    least = serializers.IntegerField(
        allow_null=True, help_text="Bounds now; null: it does not scale by itself."
    )
    most = serializers.IntegerField(allow_null=True)
    decides = serializers.CharField(
        help_text="`drained`, `by hand`, `by its schedule`, `by what waits` or `as its tree says`."
    )
    by_hand = serializers.IntegerField(allow_null=True, help_text="What an operator said.")
    drained_at = serializers.DateTimeField(allow_null=True)
    why = serializers.CharField(help_text="Of the newest change of their number.")
    changed_at = serializers.DateTimeField(allow_null=True)
    rolling = serializers.CharField(help_text="Why every worker is being replaced; empty: they are not.")
    recycle = serializers.DictField(help_text="Its limits: `memory` in bytes, `tasks`, `age` in seconds.")
    recycling = serializers.DictField(
        allow_null=True, help_text="The worker that is being replaced, and why."
    )
    last_recycled = serializers.DictField(allow_null=True)
    waiting = serializers.IntegerField(allow_null=True, help_text="Messages in its queues; null: not known.")
    oldest_s = serializers.FloatField(allow_null=True)


class TaskPoolsShape(serializers.Serializer[Any]):
    """Pools, by tree and place in it."""

    items = TaskPoolShape(many=True)


class PoolBody(Body):
    """Which pool, and why."""

    tree = serializers.CharField(max_length=64)
    path = serializers.CharField(max_length=2300, help_text="Of the child in its tree, such as `shop/mail`.")
    reason = serializers.CharField(max_length=2000, default="", allow_blank=True)


class PoolScaleBody(PoolBody):
    """How many workers; null: by what waits, the schedule and the tree again."""

    workers = serializers.IntegerField(min_value=0, max_value=10_000, allow_null=True)


class LatencyShape(serializers.Serializer[Any]):
    """Of one task's name: seconds at p50, p95, p99."""

    name = serializers.CharField()
    count = serializers.IntegerField()
    failed = serializers.IntegerField()
    waited = serializers.ListField(child=serializers.FloatField(allow_null=True))
    ran = serializers.ListField(child=serializers.FloatField(allow_null=True))


class LatenciesShape(serializers.Serializer[Any]):
    """Tasks that ended in the last hour."""

    items = LatencyShape(many=True)
    states = serializers.DictField(child=serializers.IntegerField(), help_text="State -> how many.")


class QueueBody(Body):
    """A queue of an application."""

    app = serializers.CharField(max_length=MAX_APP)
    queue = serializers.CharField(max_length=MAX_QUEUE)


class PeekBody(QueueBody):
    """How many messages of which queue."""

    limit = serializers.IntegerField(min_value=1, max_value=100, default=20)


class PurgeBody(QueueBody):
    """Which queue is emptied, and why."""

    reason = serializers.CharField(max_length=2000, default="", allow_blank=True)


class WorkerRequestShape(serializers.Serializer[Any]):
    """Something asked of a worker, and its answer."""

    id = serializers.UUIDField()
    kind = serializers.ChoiceField(RequestKind.values)
    app = serializers.CharField()
    queue = serializers.CharField()
    state = serializers.ChoiceField(RequestState.values)
    answer = serializers.DictField(
        allow_null=True, help_text="`messages` or `purged`; `error` where it failed."
    )
    requested_by = serializers.CharField()
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)
