"""Models that others trained: read from their files, rebuilt from known layers, and proved."""
