//! One process, or thread, at a time where there must not be two: `broker start` and `broker stop` in
//! each target folder, and what installs packages.
//!
//! The lock is the name of a socket that is in no file system (Linux calls such names abstract): the
//! kernel gives it to one process, and takes it back when that process ends, however it ends. A file
//! would be left behind by one that is killed.

use std::{
    fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io::{self, ErrorKind, Read as _},
    os::unix::net::{SocketAddr, UnixListener, UnixStream},
    path::Path,
    thread,
    time::Duration,
};

use crate::failure::Failure;

/// Held until it is dropped.
#[derive(Debug)]
pub(super) struct Lock {
    _listener: UnixListener,
}

/// Waits until no other process holds the lock of this folder, and takes it.
pub(super) fn take(folder: &Path) -> Result<Lock, Failure> {
    fs::create_dir_all(folder).map_err(Failure::file("create", folder))?;
    let folder = folder
        .canonicalize()
        .map_err(Failure::file("find", folder))?;
    // The name has to be shorter than a path may be.
    let mut hasher = DefaultHasher::new();
    folder.hash(&mut hasher);
    let name = format!("amqp xtask broker {:016x}", hasher.finish());
    let failed = || Failure::file("lock", &folder);
    let address = abstract_address(&name).map_err(failed())?;
    loop {
        match UnixListener::bind_addr(&address) {
            Ok(listener) => {
                return Ok(Lock {
                    _listener: listener,
                });
            }
            Err(error) if error.kind() == ErrorKind::AddrInUse => wait(&address),
            Err(error) => return Err(failed()(error)),
        }
    }
}

#[cfg(target_os = "linux")]
fn abstract_address(name: &str) -> io::Result<SocketAddr> {
    use std::os::linux::net::SocketAddrExt as _;
    SocketAddr::from_abstract_name(name)
}

/// Brokers are not left running elsewhere: they are found through `/proc`.
#[cfg(not(target_os = "linux"))]
fn abstract_address(_: &str) -> io::Result<SocketAddr> {
    let reason = "brokers are left running on Linux only";
    Err(io::Error::new(ErrorKind::Unsupported, reason))
}

/// Returns when the lock may be free. Its holder accepts no connection and sends nothing, so that
/// what ends the reading is the end of the listener.
fn wait(address: &SocketAddr) {
    match UnixStream::connect_addr(address) {
        Ok(mut stream) => {
            let _ = stream.read(&mut [0]);
        }
        // Given back this moment, or more wait than the kernel lets.
        Err(_) => thread::sleep(Duration::from_millis(10)),
    }
}

#[cfg(test)]
mod tests {
    use std::{env, process, sync::mpsc};

    use super::*;

    #[test]
    fn a_lock_is_held_by_one_and_given_to_the_next() {
        let folder = env::temp_dir().join(format!("xtask-lock-{}", process::id()));
        let other = take(&folder.join("other")).unwrap();
        let first = take(&folder).unwrap();
        let (sender, taken) = mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(|| sender.send(take(&folder).map(drop)));
            let early = taken.recv_timeout(Duration::from_millis(50));
            assert!(early.is_err(), "two have it at once");
            drop(first);
            taken.recv().unwrap().unwrap();
        });
        drop(other);
        fs::remove_dir_all(&folder).unwrap();
    }
}
