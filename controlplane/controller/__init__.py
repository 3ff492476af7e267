"""The controller: one leader in the fleet that places trees, takes over from lost nodes, and rolls revisions out."""
