"""Who did what, when and why: an append-only, hash-chained log. Every write of an operator joins it in its transaction."""
