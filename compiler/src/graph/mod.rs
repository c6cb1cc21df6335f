//! The graph: nodes with ordered inputs, a verifier and a printer.
