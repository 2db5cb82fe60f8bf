//! An AMQP 0-9-1 server that does nothing, as cheaply as possible.
//!
//! It is the other end of every measurement, so it must cost much less than any client: one
//! thread per connection, blocking reads of up to 256 KiB, frames looked at only as far as their
//! headers, deliveries written from prebuilt blocks. It counts what is published, confirms once
//! per read, and answers the synchronous methods. It stores and routes nothing.
//!
//! A queue named `deliver-<messages>-<bytes>` or `deliver-<messages>-<bytes>-<milliseconds>`
//! fires that many deliveries of that size at whoever consumes from it, the latter after a pause.

mod deliver;
mod methods;
mod session;
mod stream;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use session::Session;
use stream::Stream;

const USAGE: &str =
    "null-broker [--port N] [--deliver-delay-ms N] [--until-stdin-closes] [--tls FILE]

  --port N               listen on this port of the loopback address; 0, the default, takes a
                         free one. The address is printed in either case.
  --deliver-delay-ms N   wait so long between consume-ok and the first delivery, for clients that
                         lose what arrives before they registered their consumer
  --until-stdin-closes   end when standard input does, so that no broker outlives its bench
  --tls FILE             speak TLS as localhost, with a certificate made for this run, which is
                         written to the file in DER before the address is printed";

/// What the command line asks for.
#[derive(Clone, Debug, Default)]
struct Options {
    port: u16,
    deliver_delay: Duration,
    until_stdin_closes: bool,
    tls: Option<PathBuf>,
}

fn main() {
    let outcome = parse(std::env::args().skip(1)).and_then(|options| serve(&options));
    if let Err(problem) = outcome {
        eprintln!("null-broker: {problem}");
        std::process::exit(2);
    }
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options::default();
    while let Some(name) = arguments.next() {
        let mut number = || {
            let text = arguments.next().ok_or(format!("{name} needs a number"))?;
            text.parse::<u16>()
                .map_err(|_| format!("{name}: {text:?} is not a number"))
        };
        match name.as_str() {
            "--port" => options.port = number()?,
            "--deliver-delay-ms" => {
                options.deliver_delay = Duration::from_millis(number()?.into());
            }
            "--tls" => {
                let file = arguments.next().ok_or("--tls needs a file")?;
                options.tls = Some(PathBuf::from(file));
            }
            "--until-stdin-closes" => options.until_stdin_closes = true,
            _ => return Err(format!("{name:?} is not an option\n\n{USAGE}")),
        }
    }
    Ok(options)
}

fn serve(options: &Options) -> Result<(), String> {
    let tls = options.tls.as_deref().map(stream::certify).transpose()?;
    // A thousand idle connections are part of the bench: small stacks keep that possible. The
    // handshake of TLS is allowed more.
    let stack_len = if tls.is_some() { 1024 } else { 128 } * 1024;
    let listener =
        TcpListener::bind(("127.0.0.1", options.port)).map_err(|error| error.to_string())?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    println!("listening on {address}");
    std::io::stdout()
        .flush()
        .map_err(|error| error.to_string())?;

    if options.until_stdin_closes {
        thread::spawn(|| {
            let mut ignored = [0; 64];
            while matches!(std::io::stdin().read(&mut ignored), Ok(1..)) {}
            std::process::exit(0);
        });
    }

    for stream in listener.incoming() {
        let stream = stream.map_err(|error| error.to_string())?;
        let (tls, deliver_delay) = (tls.clone(), options.deliver_delay);
        thread::Builder::new()
            .stack_size(stack_len)
            .spawn(move || {
                let outcome = Stream::new(stream, tls)
                    .and_then(|stream| Session::new(stream, deliver_delay).run());
                if let Err(error) = outcome {
                    report(&error);
                }
            })
            .map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// A client that goes away without a word is an everyday event; anything else is worth knowing.
fn report(error: &std::io::Error) {
    use std::io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    if !matches!(error.kind(), BrokenPipe | ConnectionReset | UnexpectedEof) {
        eprintln!("null-broker: {error}");
    }
}
