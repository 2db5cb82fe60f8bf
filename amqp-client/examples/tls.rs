//! TLS: an encrypted connection to a broker that proves who it is. (Takes the feature `rustls`.)
//!
//! The address is in `AMQP_URL` (`amqps://…`), the certificate of the authority that has signed the
//! broker's in the file that `AMQP_CACERTFILE` names; without one, those that the system trusts
//! will do. If the broker wants to know who connects, too, `AMQP_CERTFILE` and `AMQP_KEYFILE` name
//! our files. (`ConnectionOptions::from_env` would read all of them; here is how to do it by hand.)
//!
//! ```text
//! connected to RabbitMQ over TLS
//! a certificate for another name is not accepted: CertificateForAnotherHost
//! ```

use std::env;
use std::error::Error;

use amqp_client::{Connection, ConnectionOptions, TlsOptions};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = env::var("AMQP_URL").unwrap_or_else(|_| "amqps://localhost".to_owned());
    let options: ConnectionOptions = url.parse()?;
    let mut tls = TlsOptions::default();
    if let Ok(file) = env::var("AMQP_CACERTFILE") {
        tls = tls.ca_file(file);
    }
    if let (Ok(certificate), Ok(key)) = (env::var("AMQP_CERTFILE"), env::var("AMQP_KEYFILE")) {
        tls = tls.client_certificate(certificate, key);
    }

    let connection = Connection::open_with(&options.clone().tls(tls.clone())).await?;
    let properties = connection.server_properties();
    let product = properties.get("product")?.and_then(|value| value.as_str());
    println!("connected to {} over TLS", product.unwrap_or("something"));
    connection.close().await?;

    let elsewhere = options.tls(tls.server_name("elsewhere.example"));
    match Connection::open_with(&elsewhere).await {
        Ok(_) => println!("whoever answers is believed"),
        Err(error) => {
            let diagnosis = error.diagnosis().ok_or(error)?;
            println!("a certificate for another name is not accepted: {diagnosis:?}");
        }
    }
    Ok(())
}
