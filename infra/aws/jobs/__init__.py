"""Spark jobs on EMR Serverless: what is submitted, and what runs there."""
