"""The vectorised path: skips readings that change no alarm, without evaluating them one by one."""
