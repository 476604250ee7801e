"""The local stack: every outside part of Wardwatch, real and on 127.0.0.1.

Nothing here is imported by the tiers. `stack.LocalStack` starts the parts, `tiers` lists Wardwatch's own processes.
"""
