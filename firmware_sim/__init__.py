"""Simulated bedside devices: seeded physiology, scenarios with ground truth, artefacts, faults, a ground truth log.

They publish to a gateway's broker over real MQTT 5 connections. Their encoder is their own, so that the same mistake in
encoder and decoder cannot hide itself.
"""
