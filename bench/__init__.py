"""`make bench`: Overstory beside a bare loop and its peers, interleaved in one run; the figures we promise are asserted.

`python -m bench [--quick] [--only ENTRY,...] [--json FILE] [--write-docs]`. An *entry* measures one thing with several
*contenders*; a contender starts the same children its own way (`contenders/`). Absolute times belong to the machine, so a
figure is a ratio to the bare loop of the same run wherever it can be one, and the median over several runs.
"""
