"""Why did it restart, why does it not run: journal records and the tree as it is, turned into words.

Pure: no file, no clock, no process. Who asks (command line, page, API) brings records, the observed tree and the time.
"""
