"""The XML-RPC interface of Supervisor 3.0, as an unmodified `supervisorctl` uses it.

A group is one of our supervisors, a process one of its children. The same permissions and the same audit log as everywhere.
"""
