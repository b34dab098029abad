"""How the database of jobs came to be as it is: one script a change, run by Alembic when a database is opened.

A change of `tables.py` gets the next script in `versions`, and its number goes into `tables.SCHEMA`. Scripts that were
released stay as they are.
"""
