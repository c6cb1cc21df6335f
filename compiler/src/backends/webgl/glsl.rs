//! From WGSL to GLSL ES 3.00, by naga.

use crate::error::{Error, Result};
use naga::back::glsl::{Options, PipelineOptions, Version, Writer, WriterFlags};
use naga::valid::{Capabilities, ValidationFlags, Validator};

/// A fragment shader as a device takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Glsl {
    /// In GLSL ES 3.00.
    pub text: String,
    /// What the uniform block is called.
    pub uniform: String,
    /// What the samplers are called, in the order of their bindings; none for one that is not read.
    pub samplers: Vec<Option<String>>,
}

/// Validates a module and translates it.
pub(super) fn translate(number: usize, text: &str, textures: usize) -> Result<Glsl> {
    let wrong = |what: String| Error::internal(format!("program {number} is not valid: {what}\n{text}"));
    let module = naga::front::wgsl::parse_str(text).map_err(|error| wrong(error.emit_to_string(text)))?;
    let info = Validator::new(ValidationFlags::all(), Capabilities::empty())
        .validate(&module)
        .map_err(|error| wrong(error.emit_to_string(text)))?;
    let options = Options {
        version: Version::new_gles(300),
        writer_flags: WriterFlags::empty(),
        ..Options::default()
    };
    let pipeline = PipelineOptions {
        shader_stage: naga::ShaderStage::Fragment,
        entry_point: "main".to_owned(),
        multiview: None,
    };
    let mut glsl = String::new();
    let policies = naga::proc::BoundsCheckPolicies::default();
    let mut writer = Writer::new(&mut glsl, &module, &info, &options, &pipeline, policies)
        .map_err(|error| wrong(error.to_string()))?;
    let names = writer.write().map_err(|error| wrong(error.to_string()))?;
    let at = |binding: u32| {
        let mut variables = module.global_variables.iter();
        variables.find(move |(_, variable)| variable.binding.as_ref().is_some_and(|b| b.binding == binding))
    };
    let uniform = at(0).and_then(|(handle, _)| names.uniforms.get(&handle).cloned());
    let sampler = |texture: usize| {
        let (handle, _) = at(texture as u32 + 1)?;
        let mut mapping = names.texture_mapping.iter();
        mapping
            .find(|(_, found)| found.texture == handle)
            .map(|(name, _)| name.clone())
    };
    Ok(Glsl {
        uniform: uniform.ok_or_else(|| wrong("it has no uniform block".into()))?,
        samplers: (0..textures).map(sampler).collect(),
        text: glsl,
    })
}
