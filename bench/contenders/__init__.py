"""Who is compared: one file each, all with the same interface (`contender.py`)."""
