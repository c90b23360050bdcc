"""What Google, Microsoft Entra and AWS issue for a while, presented on requests to providers.

store.py holds the credentials of a worker; kinds.py is the table, which loads nothing heavy. Fixed keys are not the
business of this package: dialects put them on.
"""
