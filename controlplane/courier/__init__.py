"""The courier: a helper of the node, and its only way to the stores.

Crash-only: it may be killed at any moment and its successor goes on. What it brings out is in the node's journal on disk,
what it brings in is in rows, and both are done exactly once whatever is killed in between. It never blocks the node, which
it talks to over the channel (pings) and the control socket (everything else).
"""
