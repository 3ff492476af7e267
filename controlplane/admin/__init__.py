"""Django's admin, themed by unfold: every row we keep, for an admin who wants to look under the pages.

What a node or an edge reported is read-only here. What an admin may do goes through the same services as everywhere, and so
into the audit log; there is no other way to change a row.
"""
