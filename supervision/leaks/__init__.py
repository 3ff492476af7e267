"""Finds what grows and is never given back, early and with few false alarms. Pure: no clock, no I/O, no framework."""
