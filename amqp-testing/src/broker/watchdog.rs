//! What ends a broker when the program that started it ends without doing so.

use std::{
    io::{self, Write as _},
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, Stdio},
};

use super::process::IDENTITY;

/// Kills the processes of a broker, and then deletes its folder, when this program ends, however it
/// ends.
///
/// A program that is interrupted or killed runs no destructors. The watchdog is a shell that waits
/// on a pipe of which this process holds the only other end: when the process dies, the kernel
/// closes the pipe. It stands before anything of the broker is made, so that there is no moment at
/// which an end of the program would leave something behind.
#[derive(Debug)]
pub(crate) struct Watchdog {
    shell: Child,
}

/// A line means "not needed any more"; the end of the pipe means that the program has gone.
///
/// A process that was being started at that moment carries the broker's mark only a little later,
/// so that none is left when several looks in a row have found none.
const SCRIPT: &str = r#"
    read -r _ && exit
    mark=$1 folder=$2 looks=0
    while [ "$looks" -lt 4 ]; do
        pids=$(grep -ls -e "$mark" /proc/[0-9]*/environ | cut -d / -f 3)
        if [ -n "$pids" ]; then
            looks=0
            kill -s KILL $pids
        else
            looks=$((looks + 1))
        fi
        sleep 0.05
    done
    [ -z "$folder" ] || rm -rf -- "$folder"
"#;

impl Watchdog {
    /// Watches over the broker with this identity, and over its folder if that is not to be kept.
    pub(crate) fn over(identity: &str, folder: Option<&Path>) -> io::Result<Self> {
        let shell = Command::new("sh")
            .args(["-c", SCRIPT, "sh", &format!("{IDENTITY}={identity}")])
            .arg(folder.unwrap_or_else(|| Path::new("")))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Outside of the folder that it is to delete, and of any that others want to unmount.
            .current_dir("/")
            // A group of its own, so that Ctrl-C at the terminal does not end the watchdog first.
            .process_group(0)
            .spawn()?;
        Ok(Self { shell })
    }

    /// Sends the watchdog home without killing anything.
    pub(crate) fn dismiss(mut self) {
        if let Some(mut pipe) = self.shell.stdin.take() {
            // If the shell is gone there is nothing to dismiss.
            let _ = pipe.write_all(b"dismissed\n");
        }
        let _ = self.shell.wait();
    }
}

#[cfg(test)]
mod tests {
    use std::{env, fs, thread};

    use super::*;
    use crate::broker::{ports::random, process::POLL};

    #[test]
    fn the_end_of_the_program_ends_processes_and_folder_and_a_dismissal_does_not() {
        for is_dismissed in [false, true] {
            let identity = format!("watched-{:x}", random());
            let folder = env::temp_dir().join(format!("amqp-testing-{identity}"));
            let watchdog = Watchdog::over(&identity, Some(&folder)).unwrap();
            fs::create_dir_all(folder.join("data")).unwrap();
            let mut process = Command::new("sleep")
                .arg("1000")
                .env(IDENTITY, &identity)
                .spawn()
                .unwrap();
            if is_dismissed {
                watchdog.dismiss();
                assert!(process.try_wait().unwrap().is_none());
                assert!(folder.exists());
                process.kill().unwrap();
                fs::remove_dir_all(&folder).unwrap();
            } else {
                // What the kernel does when this process ends.
                drop(watchdog);
            }
            process.wait().unwrap();
            while folder.exists() {
                thread::sleep(POLL);
            }
        }
    }
}
