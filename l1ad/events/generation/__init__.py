"""Makes events: collisions from Pythia 8, jets from FastJet, a parametrised detector, the ADC2021 selection.

Pythia 8 is GPL and FastJet has GPL parts. They are imported inside the functions of this package alone, and come with
``pip install 'l1ad[generate]'``.
"""
