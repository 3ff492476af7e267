"""The processes of the system tree that are ours: how each starts, says that it is ready, and proves that it is alive."""
