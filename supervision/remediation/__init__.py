"""Remediation: plans in phases whose success is measured. Nobody ticks anything: a criterion is met when the rows say so."""
