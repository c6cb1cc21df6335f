//! Scalar functions as small SSA tapes, written once for all backends.
