"""Does the reference describe the data? The new-physics learning machine and two-sample tests, calibrated.

The modules build on each other: `kernels` and `nystrom` (features), `logistic` (solver), `standardize` (units of the
features and kernel widths), `nplm` (the estimator), `nulls` and `calibration` (p-values), `widths` (many kernel
widths at once). `two_sample`, `mmd`, `frechet` and `classifier` hold the other statistics.
"""
