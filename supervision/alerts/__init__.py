"""What somebody has to know now: raised once, told until acknowledged or over, delivered by a queue of its own."""
