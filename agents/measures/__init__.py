"""What agents measure of themselves, summed up by kind, as a monitoring system is told it."""
