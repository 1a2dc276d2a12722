"""Speed, memory and parity of this package beside other engines, on the same checkpoint.

Every figure comes from fresh subprocesses, interleaved, at least five of each; medians and ratios.
"""
