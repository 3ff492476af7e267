"""Takes secrets out of what programs report, before anything is stored."""
