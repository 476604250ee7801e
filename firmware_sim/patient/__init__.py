"""Simulated patients: physiology, scenarios, artefacts, recorded patients."""
