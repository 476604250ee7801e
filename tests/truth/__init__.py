"""Who has to be paged and who was: lives, the judges of messages and of lights, and what they judge."""
