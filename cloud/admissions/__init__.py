"""Admissions, rotas and actions: rows of a file or a form to checked values, and values to their topics."""
