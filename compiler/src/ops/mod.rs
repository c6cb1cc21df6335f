//! The operations of the graph, one file each.
