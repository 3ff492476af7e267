"""Live data: one reader per server process, tables in memory, one cursor a subscription.

    reader.py    PostgreSQL and Redis -> hub         (I/O)
    hub.py       the tables, by topic and by what may be seen
    table.py     rows with a sequence number on every cell
    frames.py    what a subscription gets: snapshots, frames from a to b
    session.py   one connection: messages in, messages out, no socket
    consumer.py  the socket

A frame is computed from (table, subscription, a) alone: every cell knows the number at which it changed last, so that
what a slow reader missed needs no memory of its own and is never larger than the table.
"""
