"""The vectorised path: applies readings that change no alarm at once, without evaluating them one by one."""
