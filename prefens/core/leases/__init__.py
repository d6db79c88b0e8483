"""Which process works on what: leases, the heartbeats and locks that they rest on, and what a process is known by."""
