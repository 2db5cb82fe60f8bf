//! The command of the repository.
fn main() {}
