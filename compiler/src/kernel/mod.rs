//! Kernel families as data, with one slow and obvious interpreter.
