//! How the arguments of a method are written.

use proc_macro2::TokenStream;
use quote::quote;

use super::bits::{packed, reserved, reserved_bits};
use crate::emit::format::{comment, decimal, ident};
use crate::emit::layout::{self, IDS};
use crate::model::{Argument, FieldType, Method};

/// The length of ids and arguments: one summand for each, in the order of the wire, and their
/// names.
pub(super) fn encoded_len(method: &Method) -> TokenStream {
    let names: String = method
        .arguments
        .iter()
        .map(|argument| format!(", {}", title(argument)))
        .collect();
    let names = comment(&format!("Ids{names}."));
    let ids = decimal(IDS as u64);
    let lengths = method.arguments.iter().map(argument_len);
    quote!(#names #ids #(+ #lengths)*)
}

/// What a comment calls an argument.
fn title(argument: &Argument) -> String {
    match argument {
        Argument::Field(field) => format!("`{}`", field.name),
        Argument::Bits(group) => match group.bits() {
            [only] => format!("`{}`", only.name),
            _ => "bits".to_owned(),
        },
    }
}

fn argument_len(argument: &Argument) -> TokenStream {
    match (layout::written_width(argument), argument) {
        (None, Argument::Field(field)) => {
            let name = ident(&field.name.snake);
            quote!(self.#name.encoded_len())
        }
        (width, _) => decimal(width.unwrap_or_default() as u64),
    }
}

/// The statements that append the arguments; none if there are none.
pub(super) fn arguments(method: &Method) -> TokenStream {
    match layout::fixed_size(method) {
        Some(_) if !layout::is_constant(method) => {
            quote!(buf.extend_from_slice(&self.to_octets());)
        }
        _ => method.arguments.iter().map(encode_step).collect(),
    }
}

fn encode_step(argument: &Argument) -> TokenStream {
    match argument {
        Argument::Field(field) if field.reserved => {
            let comment = reserved(field);
            match layout::empty_width(field.wire) {
                1 => quote!(#comment buf.push(0);),
                width => {
                    let width = decimal(width as u64);
                    quote!(#comment buf.extend_from_slice(&[0; #width]);)
                }
            }
        }
        Argument::Field(field) => {
            let name = ident(&field.name.snake);
            match field.wire {
                FieldType::Octet => quote!(buf.push(self.#name);),
                FieldType::Short | FieldType::Long | FieldType::LongLong => {
                    quote!(buf.extend_from_slice(&self.#name.to_be_bytes());)
                }
                FieldType::ShortStr
                | FieldType::LongStr
                | FieldType::Timestamp
                | FieldType::Table => quote!(self.#name.encode(buf);),
            }
        }
        Argument::Bits(group) => {
            let bits = packed(group).unwrap_or_else(|| quote!(0));
            let comment = reserved_bits(group);
            quote!(#comment buf.push(#bits);)
        }
    }
}
