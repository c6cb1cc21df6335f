//! Graph optimisations, one file each.
