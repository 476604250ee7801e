"""The Metabase dashboards as files, and what brings them into a Metabase by its REST API.

`boards/*.toml` declare them, `declared` reads them, `bodies` turns them into what Metabase takes, `marks` tells what a
person has changed since, `provision` does the work over `metabase`, and `job` is the command.
"""
