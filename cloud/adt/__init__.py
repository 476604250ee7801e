"""`python -m cloud adt`: HL7 ADT by MLLP and files, into topics `adt` and `patients`."""
