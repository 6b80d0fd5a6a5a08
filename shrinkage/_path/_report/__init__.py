"""The page of a report, and the table of a notebook: HTML of a path."""
