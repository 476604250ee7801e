"""Admissions by HL7 ADT: messages to movements, movements to a census, and the census to admissions and questions."""
