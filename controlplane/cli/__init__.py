"""The operator's command line: what commands print and how they end. Commands themselves stand in ../management."""
