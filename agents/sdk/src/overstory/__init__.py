"""For programs that Overstory supervises. Import what you need: `from overstory import notify`."""

__version__ = "0.1.0"
