"""The shape of an event as networks see it; reading it needs no Keras."""

from __future__ import annotations

#: Rows and quantities of an event: MET, 4 electrons, 4 muons, 10 jets; pT, eta, phi.
ROWS, QUANTITIES = 19, 3

#: |eta| acceptance of each row (arXiv:2107.02157, section 2); the missing energy has none.
ETA_BOUNDS = [0.0] + [3.0] * 4 + [2.1] * 4 + [4.0] * 10
