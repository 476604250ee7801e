"""The local stack: every outside part of Wardwatch, real and on 127.0.0.1.

The tiers import nothing of this. `stack.LocalStack` starts the parts, `services` lists Wardwatch's own processes.
"""
