"""The audit: find what nobody supervises in a Python code base, without importing or running any of it.

The room stands alone (`python -m supervision.audit`, standard library only). Reading order: `run` (the two passes),
`index` (one walk over a file), `summary` and `project` (what other files need to know of it), `names` (what a name is
bound to), `handles` (what becomes of a handle), `rules/` (one file per group of patterns).
"""
