"""Contacts of the house, duties, and assigned beds: pure rules, and their records on topic `contacts`."""
