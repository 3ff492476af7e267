"""What nodes report: their journals, exactly once, and the state that follows from them."""
