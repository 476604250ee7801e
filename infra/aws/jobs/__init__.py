"""Spark jobs on EMR Serverless: submission, and the entry point that runs there."""
