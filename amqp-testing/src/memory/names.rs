//! Names that the broker makes up: they look as RabbitMQ's do, and follow from a seed.

/// A sequence of names.
#[derive(Clone, Debug)]
pub(super) struct Names {
    state: u64,
}

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// What the process id in an address of direct replies begins with, so that one of ours is known
/// when its consumer is gone.
const PROCESS: &[u8; 16] = b"amqp-testing pid";

impl Names {
    pub(super) const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// A name for a queue that was declared without one.
    pub(super) fn queue(&mut self) -> String {
        format!("amq.gen-{}", self.short())
    }

    /// A tag for a consumer that was started without one.
    pub(super) fn consumer_tag(&mut self) -> String {
        format!("amq.ctag-{}", self.short())
    }

    /// What follows `amq.rabbitmq.reply-to.` in an address.
    pub(super) fn reply_key(&mut self) -> String {
        let process = [PROCESS.as_slice(), &self.octets()].concat();
        let process = base64(&process, STANDARD, true);
        let key = base64(&self.octets(), STANDARD, true);
        format!("{process}.{key}")
    }

    fn short(&mut self) -> String {
        base64(&self.octets(), URL_SAFE, false)
    }

    fn octets(&mut self) -> [u8; 16] {
        let (high, low) = (self.next(), self.next());
        (u128::from(high) << 64 | u128::from(low)).to_be_bytes()
    }

    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

/// Whether this is what follows `amq.rabbitmq.reply-to.` in an address of this broker's.
pub(super) fn is_reply_key(key: &[u8]) -> bool {
    let prefix = base64(PROCESS.get(..15).unwrap_or_default(), STANDARD, false);
    key.starts_with(prefix.as_bytes())
}

fn base64(octets: &[u8], alphabet: &[u8; 64], padded: bool) -> String {
    let mut text = String::new();
    for chunk in octets.chunks(3) {
        let mut group = [0; 4];
        for (place, octet) in group.iter_mut().skip(1).zip(chunk) {
            *place = *octet;
        }
        let group = u32::from_be_bytes(group);
        for place in 0..4_u32 {
            let digit = (group >> (18 - 6 * place)) & 63;
            let letter = usize::try_from(digit).ok().and_then(|at| alphabet.get(at));
            match letter {
                Some(letter) if place as usize <= chunk.len() => text.push(char::from(*letter)),
                _ if padded => text.push('='),
                _ => {}
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_look_as_rabbitmqs_do() {
        let mut names = Names::new(7);
        let queue = names.queue();
        assert_eq!(queue.len(), "amq.gen-".len() + 22);
        assert_ne!(queue, names.queue());
        let address = format!("amq.rabbitmq.reply-to.{}", names.reply_key());
        assert_eq!(address.len(), 91);
        assert!(is_reply_key(&address.as_bytes()[22..]));
        assert!(!is_reply_key(b"x.y"));
    }

    #[test]
    fn the_same_seed_gives_the_same_names() {
        let (mut one, mut other) = (Names::new(7), Names::new(7));
        assert_eq!(one.consumer_tag(), other.consumer_tag());
        assert_ne!(Names::new(8).consumer_tag(), Names::new(7).consumer_tag());
    }

    #[test]
    fn base64_is_that_of_rfc_4648() {
        assert_eq!(base64(b"foob", STANDARD, true), "Zm9vYg==");
        assert_eq!(base64(b"fooba", STANDARD, true), "Zm9vYmE=");
        assert_eq!(base64(b"foobar", STANDARD, false), "Zm9vYmFy");
    }
}
