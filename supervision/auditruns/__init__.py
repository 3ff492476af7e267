"""Audit runs as rows: projects, what each run found, how long a finding has been there, who looks after it, and the tests
whose results prove a fix. The engine below (`supervision.audit`) knows nothing of this room and needs no Django."""
