"""The cohort: many models trained as one. Start reading at `_train.py`, then `_cohort.py` and `_forward.py`."""
