"""Compiled loops: arrays in, arrays out.

A kernel validates nothing, never raises, reads no globals but constants of its own file (compiled code keeps
them as they were), calls only kernels of its own file and sums in a fixed order. Callers convert once to
float64 or int64, C-contiguous and writeable, because every other type or layout would be compiled anew. Each
kernel has a slow twin in the tests.
"""
