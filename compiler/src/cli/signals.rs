//! Signals that end the process: what is half done is undone first.

use keras_compile::error::{Error, ErrorKind, Result};

/// Calls `undo` when a signal is to end this process, and ends it as the signal would have. A second signal does not wait.
///
/// # Errors
/// When the operating system does not let us.
#[cfg(unix)]
pub fn on_end(undo: impl FnOnce() + Send + 'static) -> Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
    use signal_hook::{flag, iterator::Signals, low_level};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    let failed =
        |error: std::io::Error| Error::new(ErrorKind::Io(format!("signals cannot be listened to ({error})")));
    let ignored = ignored();
    let wanted =
        [SIGHUP, SIGINT, SIGQUIT, SIGTERM].map(|signal| (ignored >> (signal - 1) & 1 == 0).then_some(signal));
    let wanted: Vec<_> = wanted.into_iter().flatten().collect();
    let ending = Arc::new(AtomicBool::new(false));
    for &signal in &wanted {
        flag::register_conditional_default(signal, Arc::clone(&ending)).map_err(failed)?;
    }
    let mut signals = Signals::new(wanted).map_err(failed)?;
    std::thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            ending.store(true, Ordering::Relaxed);
            undo();
            // As a shell wants it, which stops its script then.
            let _ = low_level::emulate_default_handler(signal);
        }
    });
    Ok(())
}

/// Elsewhere the next run removes what one that was ended has left.
///
/// # Errors
/// None.
#[cfg(not(unix))]
pub fn on_end(_: impl FnOnce() + Send + 'static) -> Result<()> {
    Ok(())
}

/// The signals that this process was started to ignore, as `nohup` and scripts do for what runs in the background: bit by
/// bit from the first. None where that is not told.
#[cfg(unix)]
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

/// Waits for the end of the process, which a signal has brought about.
pub fn wait_for_end() -> ! {
    loop {
        std::thread::park();
    }
}
