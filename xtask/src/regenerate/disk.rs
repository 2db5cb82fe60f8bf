//! Generated files on disk: what is in their way, and how they get there whole.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use amqp_codegen::emit::is_generated;

use crate::failure::Failure;

/// What is at the place of a generated file.
#[derive(Eq, PartialEq)]
pub(super) enum OnDisk {
    Nothing,
    File(Vec<u8>),
    /// A folder, or a link to nothing.
    Other,
}

impl OnDisk {
    pub(super) fn is_in_the_way(&self) -> bool {
        match self {
            Self::Nothing => false,
            Self::File(content) => !content.is_empty() && !is_generated(content),
            Self::Other => true,
        }
    }
}

/// No header is longer, however many sources it names.
const LEN_OF_HEADERS: u64 = 100_000;

/// Whether it is a file that was generated. One that cannot be read is not ours.
pub(super) fn begins_with_header(entry: &fs::DirEntry) -> bool {
    let mut start = Vec::new();
    let mut read = || -> io::Result<usize> {
        if !entry.file_type()?.is_file() {
            return Ok(0);
        }
        let file = fs::File::open(entry.path())?;
        file.take(LEN_OF_HEADERS).read_to_end(&mut start)
    };
    read().is_ok() && is_generated(&start)
}

/// What is at a path.
pub(super) fn on_disk(path: &Path) -> Result<OnDisk, Failure> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(OnDisk::Nothing),
        Err(error) => Err(Failure::file("read", path)(error)),
        Ok(found) if found.is_file() => Ok(OnDisk::File(
            fs::read(path).map_err(Failure::file("read", path))?,
        )),
        Ok(_) => Ok(OnDisk::Other),
    }
}

/// Writes the files beside those that they are to replace, and gives back each path with that of
/// the new file. If one cannot be written, none remains. What is there already under the name of a
/// new file belongs to the user, and so is what a link of that name leads to.
pub(super) fn stage(
    files: &[(String, String)],
    base: &Path,
) -> Result<Vec<(String, PathBuf)>, Failure> {
    let mut staged: Vec<(String, PathBuf)> = Vec::new();
    for (path, text) in files {
        let file = base.join(path);
        let folder = file.parent().unwrap_or(base);
        let created = fs::create_dir_all(folder)
            .map_err(Failure::file("create", folder))
            .and_then(|()| create_beside(&file).map_err(Failure::file("write", &file)));
        let written = created.and_then(|(fresh, mut created)| {
            staged.push((path.clone(), fresh));
            let written = created.write_all(text.as_bytes());
            written.map_err(Failure::file("write", &file))
        });
        if let Err(failure) = written {
            for (_, fresh) in staged {
                let _ = fs::remove_file(fresh);
            }
            return Err(failure);
        }
    }
    Ok(staged)
}

/// A new file beside another, under the first name that nothing has.
fn create_beside(file: &Path) -> io::Result<(PathBuf, fs::File)> {
    let mut fresh = file.as_os_str().to_owned();
    loop {
        fresh.push(".new");
        match fs::File::create_new(&fresh) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            created => return created.map(|created| (PathBuf::from(fresh), created)),
        }
    }
}
