"""What the reader asks PostgreSQL. One constant a question; every answer has an order and a bound."""

NODES = """
SELECT id, name, labels, version, pid, guardian_pid, state, draining, epoch, stream_epoch, journal_seq,
       started_at, joined_at, renewed_at, lease_until, helpers
FROM supervision_node
ORDER BY name, id
LIMIT 10000
"""
"""All nodes: few, and small."""

MEMBER_COLUMNS = """
c.node_id, c.tree, c.key, c.parent, c.position, c.child_id, c.kind, c.is_supervisor, c.state, c.wanted, c.incarnation,
c.pid, c.since, c.restarts, c.restart, c.last_exit_reason, c.last_exit_at, c.last_exit_incarnation, c.held, c.held_until,
c.backoff_until, c.waiting_for, c.status, c.stage, c.command, c.dynamic, c.ready, c.strategy, c.intensity, c.period,
c.window_used, c.seq, c.removed, c.id
"""

MEMBERS_SINCE = f"""
SELECT {MEMBER_COLUMNS}
FROM supervision_observedchild AS c
JOIN unnest(%(nodes)s::text[], %(seqs)s::bigint[]) AS known (node_id, seq)
  ON c.node_id = known.node_id AND c.seq > known.seq
ORDER BY c.node_id, c.seq, c.id
"""  # noqa: S608 - a constant; bounded by what changed since, and by a node's own limit of children
"""Members that changed after what was read, by each node's own numbers."""

MEMBERS_OF_NODE = f"""
SELECT {MEMBER_COLUMNS}
FROM supervision_observedchild AS c
WHERE c.node_id = %(node)s AND NOT c.removed AND c.id > %(after)s
ORDER BY c.id
LIMIT %(limit)s
"""  # noqa: S608 - a constant
"""A node's members, in pages by id."""

MEMBERS = f"""
SELECT {MEMBER_COLUMNS}
FROM supervision_observedchild AS c
WHERE NOT c.removed
ORDER BY c.node_id, c.position, c.id
LIMIT 100000
"""  # noqa: S608 - a constant
"""All members: for a page that is asked for while no reader runs."""

HIGHEST_SEQ = """
SELECT coalesce(max(seq), -1) AS seq
FROM supervision_observedchild
WHERE node_id = %(node)s
"""
"""Asked before a node is read in pages: what changes meanwhile has a higher number."""

MEMBER_COUNTS = """
SELECT node_id, count(*) AS members
FROM supervision_observedchild
WHERE NOT removed
GROUP BY node_id
ORDER BY node_id
"""
"""Whether what was read is all there is."""

TREES = """
SELECT node_id, name, revision, message, applied_at, state, ended
FROM supervision_observedtree
ORDER BY name, node_id
LIMIT 10000
"""

UNPLACED = """
SELECT t.name AS tree, t.problem AS why,
       EXISTS (SELECT 1 FROM supervision_placement AS p WHERE p.tree_id = t.id AND p.state <> 'removing') AS runs
FROM supervision_tree AS t
WHERE t.deleted_at IS NULL AND t.problem <> ''
UNION ALL
SELECT t.name, 'node ' || n.name || ' refuses it: ' || p.problem, false
FROM supervision_placement AS p
JOIN supervision_tree AS t ON t.id = p.tree_id
JOIN supervision_node AS n ON n.id = p.node_id
WHERE t.deleted_at IS NULL AND p.problem <> ''
ORDER BY tree, why
LIMIT 1000
"""
"""Trees that are not where they should be, and why, in the controller's or a node's words."""

PARKED = """
SELECT tree, name, count(*) AS parked, max(ended_at) AS since,
       (array_agg(id ORDER BY ended_at DESC))[1] AS id, (array_agg(reason ORDER BY ended_at DESC))[1] AS reason
FROM (SELECT * FROM supervision_taskrun WHERE state = 'parked' ORDER BY created_at DESC LIMIT 1000) AS newest
GROUP BY tree, name
ORDER BY since DESC, tree, name
LIMIT 50
"""
"""Tasks that are not run again until somebody has looked, by name."""

STRAYS = """
SELECT node_id, count(*) AS strays
FROM supervision_stray
WHERE state = 'found'
GROUP BY node_id
ORDER BY node_id
"""

_RESTARTS = """
SELECT node_id, key, tree,
       floor(extract(epoch FROM ended_at) / 60)::bigint AS minute,
       count(*) AS ends,
       count(*) FILTER (WHERE reason <> 'normal') AS failures
FROM supervision_incarnation
WHERE ended_at > {until} - interval '1 hour' AND ended_at <= {until}
  AND reason <> 'shutdown' AND reason NOT LIKE 'shutdown:%%'
GROUP BY node_id, key, tree, minute
ORDER BY minute, node_id, key
LIMIT 100000
"""
RESTARTS = _RESTARTS.format(until="now()")
"""Lives of the last hour that ended without having been asked to, by child and minute."""

RESTARTS_BEFORE = _RESTARTS.format(until="%(until)s::timestamptz")
"""The same of the hour before a moment."""

EVENTS_LATEST = """
SELECT id, node_id, stream_epoch, seq, at, boot, kind, tree, key, body
FROM supervision_journalrecord
ORDER BY id DESC
LIMIT %(limit)s
"""

EVENTS_BEFORE = """
SELECT id, node_id, stream_epoch, seq, at, boot, kind, tree, key, body
FROM supervision_journalrecord
WHERE at <= %(until)s AND at > %(until)s::timestamptz - interval '1 hour'
  AND (%(trees)s::text[] IS NULL OR tree = ANY(%(trees)s))
ORDER BY at DESC, id DESC
LIMIT %(limit)s
"""
"""Of the hour before a moment, newest first."""

EVENTS_OF_TREES = """
SELECT id, node_id, stream_epoch, seq, at, boot, kind, tree, key, body
FROM supervision_journalrecord
WHERE tree = ANY(%(trees)s)
ORDER BY id DESC
LIMIT %(limit)s
"""

EVENTS_SINCE = """
SELECT r.id, r.node_id, r.stream_epoch, r.seq, r.at, r.boot, r.kind, r.tree, r.key, r.body
FROM supervision_journalrecord AS r
JOIN unnest(%(nodes)s::text[], %(epochs)s::bigint[], %(seqs)s::bigint[]) AS known (node_id, stream_epoch, seq)
  ON r.node_id = known.node_id AND r.stream_epoch = known.stream_epoch AND r.seq > known.seq
ORDER BY r.id DESC
LIMIT %(limit)s
"""
"""By each stream's own numbers: ids of two nodes may become visible out of order, numbers of one stream never."""

EVENTS_OF_KEY = """
SELECT id, node_id, stream_epoch, seq, at, boot, kind, tree, key, body
FROM supervision_journalrecord
WHERE key = %(key)s
ORDER BY id DESC
LIMIT %(limit)s
"""

LIVES_OF_KEY = """
SELECT node_id, number, pid, started_at, ready_at, ended_at, reason, stderr_tail, cause
FROM supervision_incarnation
WHERE key = %(key)s
ORDER BY number DESC, node_id
LIMIT %(limit)s
"""

LEAKS = """
SELECT f.id, f.key, f.tree, f.node_id AS node, n.name AS host, f.incarnation, f.resource, f.course, f.action, f.since,
       f.found_at, f.seen_at, f.ended_at, f.outcome, f.value, f.growth, f.rate, f.rate_low, f.rate_high, f."limit",
       f.limit_name, f.limit_at, f.verdict, f.evidence -> 'points' AS points,
       f.policy, f.deed_state, f.deed_at, f.deed_said
FROM supervision_leakfinding AS f
JOIN supervision_node AS n ON n.id = f.node_id
WHERE f.ended_at IS NULL OR f.ended_at > now() - interval '1 hour'
ORDER BY f.ended_at DESC NULLS FIRST, f.limit_at NULLS LAST, f.id
LIMIT 500
"""
"""What grows now, and what did in the last hour: that which hits its limit soonest first."""

HEALTH = """
SELECT c.id, c.key, c.tree, c.node_id AS node, n.name AS host, c.incarnation, c.name, c.kind, c.state, c.since, c.checked_at,
       c.took_s, c.detail, c.failures, c.successes, c.interval_s, c.timeout_s, c.on_unhealthy
FROM supervision_healthcheck AS c
JOIN supervision_node AS n ON n.id = c.node_id
ORDER BY c.key, c.name, c.id
LIMIT 20000
"""
"""Every check of every child that runs."""

SHARED_LEAKS = """
SELECT id, kind, subject, '' AS tree, value, since, found_at, ended_at, rate, rate_low, rate_high, verdict, points, evidence
FROM supervision_sharedleak
WHERE found_at IS NOT NULL AND (ended_at IS NULL OR ended_at > now() - interval '1 hour')
ORDER BY ended_at DESC NULLS FIRST, found_at DESC, id
LIMIT 200
"""
"""What the fleet leaks together now, and what it did in the last hour."""

ALERTS = """
SELECT id, kind, severity, title, subject, tree, node_id AS node, state, count, raised_at, last_at, resolved_at,
       COALESCE(NULLIF(resolved_by, ''), acknowledged_by) AS by, is_silenced
FROM supervision_alert
WHERE kind <> 'test' AND (resolved_at IS NULL OR resolved_at > now() - interval '1 hour')
ORDER BY resolved_at DESC NULLS FIRST, id DESC
LIMIT 500
"""
"""What has to be looked after now, and what was over in the last hour."""

AUDIT_SINCE = """
SELECT seq, at, actor_kind, actor_name, action, target, tree, outcome, reason, host(ip) AS ip
FROM supervision_auditentry
WHERE seq > %(seq)s
ORDER BY seq DESC
LIMIT %(limit)s
"""
