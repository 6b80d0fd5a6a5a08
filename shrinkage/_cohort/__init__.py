"""The cohort: many models trained together. Start reading at `_train.py`, then `_cohort.py` and `_forward.py`."""
