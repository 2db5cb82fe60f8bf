//! Commands that end when this program does.
//!
//! Ctrl-C at a terminal reaches every program of the foreground; a signal sent to this one alone,
//! or its death, reaches no other. A command that is run here is in a process group of its own,
//! together with a shell that waits on a pipe of which this process holds the only other end: when
//! this process ends, the kernel closes the pipe, and the shell ends the group.

use std::{
    fs::File,
    io::{self, Write as _},
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Command, ExitStatus, Stdio},
};

/// The shell becomes the command, and what it has put into the background is the guard, in a session
/// of its own, so that it survives the end of the group.
const SCRIPT: &str = r#"
    exec 3<&0
    setsid sh -c '
        read -r _ && exit
        kill -s KILL -- "-$1"
        # What is killed this moment may have written once more.
        [ -z "$2" ] || rm -rf -- "$2" || { sleep 1; rm -rf -- "$2"; }
    ' sh "$$" "$1" <&3 3<&- >/dev/null 2>&1 &
    shift
    exec "$@" 3<&- </dev/null
"#;

/// Runs a command, which reads nothing and writes to where we do, and waits for it. If this program
/// ends first, the command and what it has started are ended.
pub(crate) fn status(command: &Command) -> io::Result<ExitStatus> {
    run(guarded(command, None))
}

/// The same with what it prints in a file, and with a folder that is deleted if this program ends
/// first.
pub(crate) fn logged(command: &Command, folder: &Path, log: File) -> io::Result<ExitStatus> {
    let mut guarded = guarded(command, Some(folder));
    guarded.stdout(log.try_clone()?).stderr(log);
    run(guarded)
}

fn run(mut guarded: Command) -> io::Result<ExitStatus> {
    let mut child = guarded.spawn()?;
    let pipe = child.stdin.take();
    let status = child.wait();
    if let Some(mut pipe) = pipe {
        // If the guard is gone, there is nothing to tell it.
        let _ = pipe.write_all(b"done\n");
    }
    status
}

/// With the command's arguments, environment and folder, but not its outputs, which it does not tell.
fn guarded(command: &Command, folder: Option<&Path>) -> Command {
    let mut guarded = Command::new("sh");
    guarded
        .args(["-c", SCRIPT, "sh"])
        .arg(folder.unwrap_or_else(|| Path::new("")))
        .arg(command.get_program())
        .args(command.get_args())
        .stdin(Stdio::piped())
        .process_group(0);
    if let Some(folder) = command.get_current_dir() {
        guarded.current_dir(folder);
    }
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => guarded.env(name, value),
            None => guarded.env_remove(name),
        };
    }
    guarded
}

#[cfg(test)]
mod tests {
    use std::{
        env, fs,
        io::{BufRead as _, BufReader},
        path::PathBuf,
        process, thread,
        time::Duration,
    };

    use super::*;

    #[test]
    fn a_command_has_its_arguments_its_environment_and_its_own_status() {
        let mut command = Command::new("sh");
        let script = r#"[ "$1" = "a b" ] && [ "$X" = y ] && [ "${HOME-none}" = none ] && exit 7"#;
        command.args(["-c", script, "sh", "a b"]);
        command.env("X", "y").env_remove("HOME");
        assert_eq!(status(&command).unwrap().code(), Some(7));
        let missing = status(&Command::new("/no/such/program"));
        assert!(!missing.unwrap().success());
    }

    #[test]
    fn the_end_of_this_program_ends_the_command_and_deletes_the_folder() {
        let folder = env::temp_dir().join(format!("xtask-guard-{}", process::id()));
        fs::create_dir_all(&folder).unwrap();
        let mut command = Command::new("sh");
        // With a child, and deaf to all signals but one.
        command.args(["-c", "trap '' TERM INT HUP; sleep 1000 & echo $! $$; wait"]);
        let mut command = guarded(&command, Some(&folder));
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        // What the kernel does when this process ends.
        drop(child.stdin.take());
        child.wait().unwrap();
        for pid in line.split_whitespace() {
            let process = PathBuf::from(format!("/proc/{pid}/exe"));
            while fs::read_link(&process).is_ok() {
                thread::sleep(Duration::from_millis(5));
            }
        }
        while folder.exists() {
            thread::sleep(Duration::from_millis(5));
        }
    }
}
