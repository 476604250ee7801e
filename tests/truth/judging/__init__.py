"""The judge of messages, by stage: material, breaches, what is due, how it was answered, and with what burden."""
