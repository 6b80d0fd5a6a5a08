"""The pictures of a path: the data of each, as plain numbers, and its drawing by Matplotlib."""
