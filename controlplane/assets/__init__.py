"""The browser's files: where they are collected, under which names, and how they are served."""
