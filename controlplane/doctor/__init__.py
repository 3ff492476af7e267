"""What this host lacks: checks that only look, each with what to do about it.

A check is a function from `Host` to findings. Nothing here needs a node, a store or Django, and nothing is changed: what a
check has to write to find out (a hole in a file, a control group) it removes again.
"""
