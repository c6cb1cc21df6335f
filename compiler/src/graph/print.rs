//! The textual IR: one node a line, `%3: f32[1,8] = op attributes(%1, %2) ; name`. `parse.rs` reads it back.

use super::{Graph, NodeId};
use std::collections::HashMap;
use std::fmt;

impl fmt::Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let order = self.order();
        let number: HashMap<NodeId, usize> = order.iter().enumerate().map(|(i, &id)| (id, i)).collect();
        for &id in &order {
            let node = self.node(id);
            let types: Vec<_> = node.types.iter().map(ToString::to_string).collect();
            let inputs: Vec<_> = node.inputs.iter().map(|i| format!("%{}", number[i])).collect();
            write!(
                f,
                "%{}: {} = {}({})",
                number[&id],
                types.join(", "),
                node.op,
                inputs.join(", ")
            )?;
            if is_plain(&node.name) {
                write!(f, " ; {}", node.name)?;
            } else if !node.name.is_empty() {
                write!(f, " ; {:?}", node.name)?;
            }
            writeln!(f)?;
        }
        for output in &self.outputs {
            writeln!(f, "output {:?} = %{}", output.name, number[&output.node])?;
        }
        Ok(())
    }
}

/// Whether a name can be told from what surrounds it without quotes.
fn is_plain(name: &str) -> bool {
    let special = |c: char| c.is_control() || matches!(c, '"' | '\\' | '{' | '}' | '[' | ']' | '(' | ')');
    !name.is_empty() && name.trim() == name && !name.contains(special)
}
