"""Running Overstory itself: probes, metrics, periodic work, preparing the stores, backup, restore and moving them."""
