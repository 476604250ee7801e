"""The two proofs: how soon a breach is on its way to a phone, and how many patients two cores carry.

`stage` brings the whole path up, `breaches` scripts what happens at the bedside, `traces` follows readings from hop to
hop, `million` raises the number of patients until something bends, and `usage` says what each part used for it.
"""
