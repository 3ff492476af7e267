"""What leaks in living processes, as rows: since when, how fast, and what is to be done."""
