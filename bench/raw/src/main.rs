//! The physical limit over a plain TCP socket.

use std::net::TcpStream;
use std::process::ExitCode;

use bench_harness::main_with;

fn main() -> ExitCode {
    main_with(bench_raw::run::<TcpStream>)
}
