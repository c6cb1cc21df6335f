//! Order, kernel choice, physical layout and memory.
