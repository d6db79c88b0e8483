"""The files of a blend, written and read: each field of what is read is checked."""
