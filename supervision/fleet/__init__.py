"""The hosts: nodes with their leases and epochs, who leads, and where a tree is placed."""
