"""What examples/long_range.py is made of: two networks, four measures, one page."""
