"""HL7 version 2 on the wire: MLLP frames, message headers and acknowledgements."""
