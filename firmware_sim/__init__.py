"""Simulated bedside devices worth trusting: seeded physiology, stories with ground truth, artefacts, faults, a ledger.

They speak to a gateway's broker over real MQTT 5 connections and write frames with an encoder of their own, so that a
mistake in the gateway's decoder is not hidden by the same mistake here.
"""
