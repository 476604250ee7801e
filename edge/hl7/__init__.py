"""Driver for monitors that speak HL7 version 2: a process of its own, with the extra `hl7`.

It holds nothing that a restart needs: the gateway numbers the readings, stores them and decides on the answer.
"""
