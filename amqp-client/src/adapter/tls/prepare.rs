//! Reads certificates and keys where that keeps no task from running.

use std::sync::Arc;

use super::Unprepared;
use crate::error::TlsError;
use crate::options::TlsOptions;
use crate::tls::Settings;

/// Reads the files and puts the configuration together.
///
/// # Cancel safety
///
/// Files may still be read after the future is dropped; nothing else happens.
pub(in crate::adapter) async fn prepare<'a>(
    options: &TlsOptions,
    hosts: impl Iterator<Item = &'a str>,
) -> Result<Settings, Unprepared> {
    let options = options.clone();
    let hosts: Vec<_> = hosts.map(str::to_owned).collect();
    let read = move || Settings::new(&options, hosts.iter().map(String::as_str));
    // Files may lie on a disk that is slow or a network that is gone.
    match tokio::task::spawn_blocking(read).await {
        Ok(read) => read.map_err(|fault| Unprepared {
            error: fault.error,
            may_pass: fault.may_pass,
        }),
        Err(error) => Err(Unprepared {
            error: TlsError::Handshake(Arc::new(error)),
            may_pass: false,
        }),
    }
}
