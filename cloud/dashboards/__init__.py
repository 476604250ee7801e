"""Metabase dashboards as files, and their provisioning by Metabase's REST API.

`boards/*.toml` declare them, `board_files` parses them, `metabase_payloads` renders them for the API, `fingerprints`
detects a person's changes, `provision` writes them by `client`, and `job` is the command.
"""
