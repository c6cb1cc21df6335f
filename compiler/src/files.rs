//! Opens regular files, and nothing else: a pipe would be waited for, a device might never end.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::path::Path;

/// Whether a symbolic link may stand for a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// It may: the user named it.
    Follow,
    /// It may not: the name comes from a file that nobody vetted.
    Refuse,
}

/// Opens a regular file and tells its length.
///
/// # Errors
/// What the operating system says, or that it is no regular file; at once in any case.
pub fn open(path: &Path, links: Links) -> io::Result<(File, u64)> {
    // Merely opening does something to some devices.
    regular(&match links {
        Links::Follow => path.metadata()?,
        Links::Refuse => path.symlink_metadata()?,
    })?;
    let mut options = OpenOptions::new();
    options.read(true);
    // Something else may be there by now.
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.custom_flags(match links {
            Links::Follow => libc::O_NONBLOCK,
            Links::Refuse => libc::O_NONBLOCK | libc::O_NOFOLLOW,
        });
    }
    let file = options.open(path)?;
    let found = file.metadata()?;
    regular(&found)?;
    Ok((file, found.len()))
}

/// Tells a file or directory from any other that has been in its place, where the operating system has numbers for them.
pub fn identity(found: &Metadata) -> Option<[u64; 2]> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        Some([found.dev(), found.ino()])
    }
    #[cfg(not(unix))]
    {
        let _ = found;
        None
    }
}

fn regular(found: &Metadata) -> io::Result<()> {
    let what = match found {
        _ if found.is_file() => return Ok(()),
        _ if found.is_dir() => "a directory",
        _ if found.is_symlink() => "a symbolic link",
        _ => "a pipe, a socket or a device",
    };
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("it is {what}, not a regular file"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(path: &str, links: Links) -> String {
        open(Path::new(path), links).unwrap_err().to_string()
    }

    #[test]
    fn regular_files_only() {
        let this = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/files.rs");
        assert!(open(&this, Links::Refuse).unwrap().1 > 100);
        assert_eq!(
            refusal("/", Links::Follow),
            "it is a directory, not a regular file"
        );
        assert_eq!(
            refusal("/dev/null", Links::Follow),
            "it is a pipe, a socket or a device, not a regular file"
        );
    }

    #[cfg(unix)]
    #[test]
    fn links_where_they_may_be() {
        let scratch = std::env::temp_dir().join(format!("keras-compile-files-{}", std::process::id()));
        let link = scratch.join("link");
        std::fs::create_dir(&scratch).unwrap();
        std::fs::write(scratch.join("file"), "text").unwrap();
        std::os::unix::fs::symlink("file", &link).unwrap();
        let results = [Links::Follow, Links::Refuse].map(|links| {
            open(&link, links)
                .map(|(_, length)| length)
                .map_err(|error| error.to_string())
        });
        std::fs::remove_dir_all(&scratch).unwrap();
        let refused = "it is a symbolic link, not a regular file".to_owned();
        assert_eq!(results, [Ok(4), Err(refused)]);
    }
}
