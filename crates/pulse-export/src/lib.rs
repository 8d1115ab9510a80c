//! Snapshots in the wire formats of metrics systems.
