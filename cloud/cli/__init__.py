"""Command line: admissions, rota, actions, printing of topics."""
