//! The code of the WebGPU backend as it lies in a bundle: what its runtime reads, read here once more.

use serde::Deserialize;

/// The program file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// Bytes of every arena.
    pub arenas: Vec<u64>,
    /// Byte offset and length of the parts of the weights that are bound instead of all of them.
    #[serde(default)]
    pub windows: Vec<(u64, u64)>,
    /// What dispatches run.
    pub pipelines: Vec<PipelineSpec>,
    /// What is done once, when the weights are there.
    #[serde(default)]
    pub prepare: Vec<Dispatch>,
    /// What a prediction does.
    pub steps: Vec<ProgramStep>,
}

/// A module with what it binds.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PipelineSpec {
    /// The module by its number.
    pub module: usize,
    /// A letter for each storage buffer from binding 1 on: `r` is read only, `w` is written.
    pub bindings: String,
}

/// Dispatches that are done `count` times.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProgramStep {
    /// How often.
    pub count: u32,
    /// What an iteration does.
    pub dispatches: Vec<Dispatch>,
}

/// A run of a pipeline.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dispatch {
    /// The pipeline by its number.
    pub pipeline: usize,
    /// Workgroups.
    pub groups: [u32; 3],
    /// A buffer for each storage binding: -1 are the weights, -2 - i window i of them, others the arenas.
    pub buffers: Vec<i32>,
    /// What its slice of the uniforms holds.
    pub params: Vec<u32>,
    /// Which of them grow by how much for every iteration.
    #[serde(default)]
    pub advance: Vec<(usize, i64)>,
}

impl Dispatch {
    /// The uniforms in an iteration, whole vectors of four.
    ///
    /// # Panics
    /// When a parameter advances that is not there.
    pub fn params_at(&self, iteration: u32) -> Vec<u32> {
        let mut params = self.params.clone();
        for &(index, delta) in &self.advance {
            params[index] = params[index].wrapping_add((delta as u32).wrapping_mul(iteration));
        }
        params.resize(params.len().next_multiple_of(4).max(4), 0);
        params
    }
}

/// What a negative number of a buffer stands for: all weights (-1), or a window of them.
pub fn window(windows: &[(u64, u64)], buffer: i32) -> Option<&(u64, u64)> {
    windows.get(usize::try_from(-2 - buffer).ok()?)
}

/// A WGSL module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShaderText {
    /// What it is: the rest of its first line.
    pub title: String,
    /// Its text, that line included.
    pub text: String,
}

/// The modules of a file of shaders.
///
/// # Errors
/// When something stands before the first module, or the numbers do not count from 0.
pub fn shader_texts(file: &str) -> Result<Vec<ShaderText>, String> {
    const MARK: &str = "// module ";
    let mut modules: Vec<ShaderText> = Vec::new();
    for line in file.split_inclusive('\n') {
        if let Some(head) = line.strip_prefix(MARK) {
            let title = head
                .strip_prefix(&format!("{}:", modules.len()))
                .ok_or_else(|| format!("{line:?} instead of module {}", modules.len()))?;
            modules.push(ShaderText {
                title: title.trim().to_owned(),
                text: line.to_owned(),
            });
        } else if let Some(module) = modules.last_mut() {
            module.text.push_str(line);
        } else {
            return Err(format!("{line:?} before the first module"));
        }
    }
    Ok(modules)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_told_apart() {
        let modules = shader_texts("// module 0: one\na\n// module 1: two\nb\n").expect("two");
        let titles: Vec<_> = modules.iter().map(|module| module.title.as_str()).collect();
        assert_eq!(titles, ["one", "two"]);
        assert_eq!(modules[1].text, "// module 1: two\nb\n");
        assert!(shader_texts("a\n// module 0: one\n").is_err());
        assert!(shader_texts("// module 1: one\n").is_err());
    }

    #[test]
    fn parameters_advance() {
        let dispatch = Dispatch {
            pipeline: 0,
            groups: [1; 3],
            buffers: Vec::new(),
            params: vec![10, 7, 1, 2, 3],
            advance: vec![(0, -4), (4, 5)],
        };
        assert_eq!(dispatch.params_at(0), [10, 7, 1, 2, 3, 0, 0, 0]);
        assert_eq!(dispatch.params_at(3), [(-2_i32) as u32, 7, 1, 2, 18, 0, 0, 0]);
    }
}
