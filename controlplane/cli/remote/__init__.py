"""The command line from another machine: the same commands over REST instead of the node's socket. Standard library only."""
