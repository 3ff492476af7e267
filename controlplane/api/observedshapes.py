"""Bodies about observed state: nodes, children, incarnations, strays, the journal, samples, output."""

from typing import Any

from rest_framework import serializers

from controlplane.api.shapes import Body


class NodeShape(serializers.Serializer[Any]):
    """A node."""

    id = serializers.CharField()
    name = serializers.CharField()
    labels = serializers.JSONField()
    version = serializers.CharField()
    state = serializers.ChoiceField(["up", "suspect", "down", "drained"])
    draining = serializers.BooleanField()
    epoch = serializers.IntegerField()
    lease_until = serializers.DateTimeField(allow_null=True)
    renewed_at = serializers.DateTimeField(allow_null=True)
    joined_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    pid = serializers.IntegerField(allow_null=True)
    guardian_pid = serializers.IntegerField(allow_null=True)
    journal_seq = serializers.IntegerField()
    helpers = serializers.JSONField()


class NodeAction(Body):
    """Draining a node, or ending that."""

    reason = serializers.CharField(max_length=2000, required=False, default="", allow_blank=True)


class ChildShape(serializers.Serializer[Any]):
    """A supervisor or child as its node sees it."""

    key = serializers.CharField()
    tree = serializers.CharField()
    node = serializers.CharField(source="node_id")
    parent = serializers.CharField()  # type: ignore[assignment]  # the field, not DRF's attribute
    position = serializers.IntegerField()
    child_id = serializers.CharField()
    is_supervisor = serializers.BooleanField()
    kind = serializers.CharField()
    state = serializers.CharField()
    wanted = serializers.CharField()
    incarnation = serializers.IntegerField()
    pid = serializers.IntegerField(allow_null=True)
    since = serializers.DateTimeField(allow_null=True)
    restarts = serializers.IntegerField()
    restart = serializers.CharField()
    last_exit_reason = serializers.CharField()
    last_exit_at = serializers.DateTimeField(allow_null=True)
    last_exit_incarnation = serializers.IntegerField(allow_null=True)
    held = serializers.BooleanField()
    held_until = serializers.DateTimeField(allow_null=True)
    backoff_until = serializers.DateTimeField(allow_null=True)
    waiting_for = serializers.JSONField()
    status = serializers.CharField()
    stage = serializers.CharField()
    command = serializers.JSONField()
    dynamic = serializers.BooleanField()
    ready = serializers.BooleanField()
    strategy = serializers.CharField()
    intensity = serializers.IntegerField(allow_null=True)
    period = serializers.FloatField(allow_null=True)
    window_used = serializers.IntegerField(allow_null=True)
    stop = serializers.CharField()


class IncarnationShape(serializers.Serializer[Any]):
    """One life of a child."""

    node = serializers.CharField(source="node_id")
    tree = serializers.CharField()
    key = serializers.CharField()
    number = serializers.IntegerField()
    pid = serializers.IntegerField(allow_null=True)
    started_at = serializers.DateTimeField(allow_null=True)
    ready_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)
    reason = serializers.CharField()
    stderr_tail = serializers.ListField(child=serializers.CharField())
    cause = serializers.JSONField()


class StrayShape(serializers.Serializer[Any]):
    """A process without an owner."""

    node = serializers.CharField(source="node_id")
    pid = serializers.IntegerField()
    command = serializers.JSONField()
    parent_pid = serializers.IntegerField(allow_null=True)
    first_seen = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)
    state = serializers.ChoiceField(["found", "adopted", "ended"])
    owner = serializers.CharField()


class EventShape(serializers.Serializer[Any]):
    """A journal record."""

    id = serializers.IntegerField()
    node = serializers.CharField(source="node_id")
    stream_epoch = serializers.IntegerField()

    seq = serializers.IntegerField()
    at = serializers.DateTimeField()
    boot = serializers.FloatField(help_text="The node's CLOCK_BOOTTIME, seconds.")
    kind = serializers.CharField()
    tree = serializers.CharField()
    key = serializers.CharField()
    body = serializers.JSONField()


class LineShape(serializers.Serializer[Any]):
    """One line that a child wrote."""

    time = serializers.FloatField(help_text="Unix seconds, true to half a second.")
    key = serializers.CharField()
    incarnation = serializers.IntegerField()
    stream = serializers.ChoiceField(["out", "err"])
    text = serializers.CharField()


class AuditShape(serializers.Serializer[Any]):
    """An entry of the audit log."""

    seq = serializers.IntegerField()
    at = serializers.DateTimeField()
    actor_kind = serializers.CharField()
    actor_id = serializers.CharField()
    actor_name = serializers.CharField()
    ip = serializers.CharField(allow_null=True)
    action = serializers.CharField()
    target = serializers.CharField()
    tree = serializers.CharField()
    reason = serializers.CharField()
    outcome = serializers.CharField()
    request_id = serializers.CharField()
    details = serializers.JSONField()
    previous_hash = serializers.CharField()
    hash = serializers.CharField()


class ChildOnNodesShape(serializers.Serializer[Any]):
    """A key, on each node that has it."""

    key = serializers.CharField()
    tree = serializers.CharField()
    on = ChildShape(many=True)


class CountsShape(serializers.Serializer[Any]):
    """How many are in which state."""

    at = serializers.DateTimeField()
    children = serializers.IntegerField()
    states = serializers.DictField(child=serializers.IntegerField())
    trees = serializers.DictField(child=serializers.DictField(child=serializers.IntegerField()))
    nodes = serializers.DictField(child=serializers.DictField(child=serializers.IntegerField()))
    node_states = serializers.DictField(child=serializers.IntegerField())


class VerdictShape(serializers.Serializer[Any]):
    """Whether a chain holds."""

    holds = serializers.BooleanField()
    checked = serializers.IntegerField()
    broken_at = serializers.IntegerField(allow_null=True, help_text="seq of the first entry that is wrong.")
    why = serializers.CharField()


class NodeLineShape(LineShape):
    """A line, and the node it was written on."""

    node = serializers.CharField()


class MissingShape(serializers.Serializer[Any]):
    """A node that could not be asked."""

    node = serializers.CharField()
    missing = serializers.CharField(help_text="redis, courier or node.")
    detail = serializers.CharField()


class LogsShape(serializers.Serializer[Any]):
    """Lines by time."""

    items = NodeLineShape(many=True)
    missing = MissingShape(many=True)
    tailed = serializers.IntegerField(
        required=False, help_text="Of a filter: children that were asked about."
    )
    total = serializers.IntegerField(required=False, help_text="Of a filter: children that it means.")


class LinkOfChainShape(serializers.Serializer[Any]):
    """One thing that led to how it is."""

    at = serializers.FloatField()
    seq = serializers.IntegerField(allow_null=True)
    key = serializers.CharField()
    text = serializers.CharField()
    evidence = serializers.ListField(child=serializers.CharField())


class ExplanationShape(serializers.Serializer[Any]):
    """Why a key is as it is."""

    key = serializers.CharField()
    state = serializers.CharField()
    headline = serializers.CharField()
    chain = LinkOfChainShape(many=True)
    next = serializers.CharField()
    can = serializers.ListField(child=serializers.CharField())
    blocked_by = serializers.ListField(
        child=serializers.JSONField(), help_text="The same about what it waits for."
    )
    current = serializers.BooleanField(help_text="False: its node does not answer, this is what was so last.")
    issues = serializers.ListField(
        child=serializers.CharField(), help_text="Short ids of the errors that were filed of it."
    )


class ForetoldStepShape(serializers.Serializer[Any]):
    """One thing that would happen."""

    at = serializers.FloatField(help_text="Seconds after the action, or after the first crash.")
    key = serializers.CharField(allow_blank=True)
    text = serializers.CharField()
    severity = serializers.ChoiceField(["info", "good", "warning", "trouble"])


class FateShape(serializers.Serializer[Any]):
    """What would become of a child or supervisor."""

    key = serializers.CharField()
    becomes = serializers.ChoiceField(["stops", "restarts", "starts", "changes", "goes"])
    is_supervisor = serializers.BooleanField()
    before = serializers.CharField(allow_blank=True, help_text="Its state now; empty: it is not there.")
    after = serializers.CharField(allow_blank=True)
    lives = serializers.IntegerField(help_text="How often it would be started.")
    words = serializers.CharField()


class ForetoldOfNodeShape(serializers.Serializer[Any]):
    """The answer about one node."""

    node = serializers.CharField()
    host = serializers.CharField()
    why_not = serializers.CharField(allow_blank=True, help_text="Why nobody can say; empty where it is said.")
    seq = serializers.IntegerField(allow_null=True, help_text="The last record of its journal that is known.")
    at = serializers.DateTimeField(allow_null=True)
    is_whole = serializers.BooleanField(help_text="False: records of its journal are missing.")
    times = serializers.IntegerField(allow_null=True)
    within = serializers.FloatField(allow_null=True)
    summary = serializers.CharField(allow_blank=True)
    steps = ForetoldStepShape(many=True)
    more = serializers.IntegerField(help_text="Steps that are left out.")
    affected = FateShape(many=True)
    gave_up = serializers.ListField(child=serializers.CharField(), help_text="Supervisors, in order.")
    root_state = serializers.CharField(allow_blank=True, help_text="Of the root, at the end.")
    refused = serializers.CharField(allow_blank=True)


class ForetoldShape(serializers.Serializer[Any]):
    """What would happen, node by node."""

    key = serializers.CharField()
    do = serializers.CharField()
    nodes = ForetoldOfNodeShape(many=True)


class FollowedShape(serializers.Serializer[Any]):
    """Lines behind a cursor."""

    items = NodeLineShape(many=True)
    cursor = serializers.CharField(help_text="For the next request.")
    node = serializers.CharField()


class SampleShape(serializers.Serializer[Any]):
    """What was used in one span."""

    at = serializers.DateTimeField()
    n = serializers.IntegerField(help_text="Samples in it.")
    cpu_avg = serializers.FloatField(allow_null=True)
    cpu_max = serializers.FloatField(allow_null=True)
    rss_avg = serializers.IntegerField(allow_null=True)
    rss_max = serializers.IntegerField(allow_null=True)
    rss_min = serializers.IntegerField(allow_null=True)
    pss = serializers.IntegerField(allow_null=True)
    uss = serializers.IntegerField(allow_null=True, help_text="Memory that is its alone.")
    fds_max = serializers.IntegerField(allow_null=True)
    fds_min = serializers.IntegerField(allow_null=True)
    threads_max = serializers.IntegerField(allow_null=True)
    threads_min = serializers.IntegerField(allow_null=True)
    children_max = serializers.IntegerField(allow_null=True)
    children_min = serializers.IntegerField(allow_null=True)
    zombies_max = serializers.IntegerField(allow_null=True)
    zombies_min = serializers.IntegerField(allow_null=True)
    sockets_max = serializers.IntegerField(allow_null=True)
    sockets_min = serializers.IntegerField(allow_null=True)
    states = serializers.DictField(
        child=serializers.IntegerField(),
        allow_null=True,
        help_text="Sockets by state, such as established or close_wait.",
    )
    read_avg = serializers.FloatField(allow_null=True, help_text="Bytes from storage in a second.")
    written_avg = serializers.FloatField(allow_null=True, help_text="Bytes to storage in a second.")
    switches_avg = serializers.FloatField(allow_null=True, help_text="Context switches in a second.")
    disk = serializers.IntegerField(allow_null=True, help_text="Bytes in its data directory.")
    incarnation = serializers.IntegerField(allow_null=True)
    image = serializers.IntegerField(
        allow_null=True, help_text="Names what its process runs: another number after each exec."
    )
    gauges = serializers.DictField(
        child=serializers.DictField(child=serializers.FloatField()),
        allow_null=True,
        help_text="What the program measured itself, by name: avg, max, min, last.",
    )


class SamplesShape(serializers.Serializer[Any]):
    """A child's samples."""

    key = serializers.CharField()
    node = serializers.CharField()
    resolution = serializers.ChoiceField(["minute", "hour"])
    items = SampleShape(many=True)
    next_since = serializers.DateTimeField(allow_null=True)
