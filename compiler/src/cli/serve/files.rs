//! Finds the file for a path.

use super::request::Request;
use super::response::Response;
use keras_compile::backends::BACKENDS;
use keras_compile::error::{Error, ErrorKind, Result};
use keras_compile::files::{self, Links};
use std::fs;
use std::path::{Path, PathBuf};

/// The directory that is served.
pub struct Root(PathBuf);

impl Root {
    /// Checks that it is a directory.
    pub fn new(directory: &Path) -> Result<Self> {
        let failed = |why: String| {
            Error::new(ErrorKind::Io(format!("cannot be served ({why})")))
                .in_file(directory.display().to_string())
                .help("name a directory, such as the --out of a compilation")
        };
        let path = directory
            .canonicalize()
            .map_err(|error| failed(error.to_string()))?;
        if path.is_dir() {
            Ok(Self(path))
        } else {
            Err(failed("it is not a directory".to_owned()))
        }
    }

    /// The answer to a request.
    pub fn respond(&self, request: &Request) -> Response {
        let missing = || Response::message("404 Not Found", "There is no such file here.");
        let segments = &request.path;
        let wanted = segments
            .iter()
            .fold(self.0.clone(), |path, segment| path.join(segment));
        let Some(path) = self.resolve(&wanted) else {
            return missing();
        };
        let folder = segments.last().is_none_or(String::is_empty);
        let answer = match (path.is_dir(), folder) {
            (true, false) => Some(Response::redirect(&address(segments))),
            (true, true) => match self.resolve(&path.join("index.html")) {
                Some(index) => file(&index, request),
                None => list(&path),
            },
            (false, false) => file(&path, request),
            (false, true) => None,
        };
        answer.unwrap_or_else(missing)
    }

    /// Where a path leads in the end, unless that is outside or hidden.
    fn resolve(&self, path: &Path) -> Option<PathBuf> {
        let path = path.canonicalize().ok()?;
        let inside = path.strip_prefix(&self.0).ok()?;
        let hidden = inside
            .iter()
            .any(|name| name.as_encoded_bytes().starts_with(b"."));
        (!hidden).then_some(path)
    }
}

/// What is wanted of a regular file. Its path has no links any more; what replaces it meanwhile is not followed.
fn file(path: &Path, request: &Request) -> Option<Response> {
    let (file, _) = files::open(path, Links::Refuse).ok()?;
    Response::file(media_type(path), file, request).ok()
}

/// Names and sizes of a directory without an `index.html`.
fn list(path: &Path) -> Option<Response> {
    let mut rows = Vec::new();
    for entry in fs::read_dir(path).ok()?.flatten() {
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let Ok(metadata) = entry.metadata() else { continue };
        if !name.starts_with('.') {
            let (slash, size) = match metadata.is_dir() {
                true => ("/", String::new()),
                false => ("", format!(" {} bytes", metadata.len())),
            };
            let (link, text) = (encode(&name), escape(&name));
            rows.push(format!(
                "<li><a href=\"{link}{slash}\">{text}{slash}</a>{size}</li>\n"
            ));
        }
    }
    rows.sort();
    let page = format!(
        "<!doctype html>\n<meta charset=\"utf-8\">\n<title>Files</title>\n<ul>\n{}</ul>\n",
        rows.concat()
    );
    Some(Response::page(page))
}

/// The address of a directory, from its segments.
fn address(segments: &[String]) -> String {
    segments
        .iter()
        .map(|segment| format!("/{}", encode(segment)))
        .collect::<String>()
        + "/"
}

/// Encodes all but letters, digits and a few signs.
fn encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let one = |byte: u8| {
        if plain(byte) {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    text.bytes().map(one).collect()
}

/// Text for an HTML page.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// By the end of the name; browsers compile streamed code and run modules only with the right type.
fn media_type(path: &Path) -> &'static str {
    let end = path.extension().and_then(|end| end.to_str()).unwrap_or_default();
    let mut code = BACKENDS.iter().flat_map(|backend| backend.files);
    if let Some(file) = code.find(|file| file.end == end) {
        return file.media_type;
    }
    match end {
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "json" | "map" => "application/json",
        "html" | "htm" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "txt" | "md" | "ts" => "text/plain; charset=utf-8",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "avif" => "image/avif",
        "svg" => "image/svg+xml",
        "ico" => "image/x-icon",
        "mp4" => "video/mp4",
        "webm" => "video/webm",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}
