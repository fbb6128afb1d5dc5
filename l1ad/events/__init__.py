"""Event layout, files, the embedded sample, and the input contract."""
