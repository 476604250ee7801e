"""Device messages to readings: decode, deduplicate, correct the time, filter artefacts, assign the patient."""
