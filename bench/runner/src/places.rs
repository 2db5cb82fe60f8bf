//! Where things are.

use std::path::PathBuf;

/// The folder `bench`.
pub(crate) fn bench() -> PathBuf {
    let runner = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    runner.parent().map_or(runner.clone(), PathBuf::from)
}

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    let bench = bench();
    bench.parent().map_or(bench.clone(), PathBuf::from)
}

fn target(default: PathBuf) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or(default, PathBuf::from)
}

/// Where the bench programs are built.
pub(crate) fn bench_target() -> PathBuf {
    target(bench().join("target"))
}

/// Where the client itself is built.
pub(crate) fn root_target() -> PathBuf {
    target(root().join("target"))
}

/// Where results go unless the command line says otherwise.
pub(crate) fn default_out(whole: bool, against: Option<&str>) -> PathBuf {
    let folder = if whole {
        root().join("docs/bench")
    } else {
        bench_target().join("bench-results")
    };
    against.map_or(folder.clone(), |name| folder.join(name))
}
