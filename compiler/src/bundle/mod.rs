//! Writes the directory that a page loads.
