"""Saved views: a list's filter and order under a name, for oneself or for everybody who may open the list."""
