"""Looking after a store: what a kill left, what is wrong, what is old, and its backup.

`recovery` works at the start of the service, when nothing else works on the folder; `check`,
`compaction`, `retention` and `backup` work beside a running service too.
"""
