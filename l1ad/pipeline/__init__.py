"""Order of the stages, the run folder, and resume by digest."""
