"""`manage.py up`: everything in the foreground of one terminal, and nothing left when it ends."""
