//! How the arguments of a method are written.

use proc_macro2::TokenStream;
use quote::quote;

use super::super::format::{decimal, ident};
use super::super::layout::{self, IDS};
use super::bits::{packed, reserved, reserved_bits};
use crate::model::{Argument, FieldType, Method};

/// The length of ids and arguments: what is fixed, plus what the values add.
pub(super) fn encoded_len(method: &Method) -> TokenStream {
    let mut fixed = IDS;
    let mut variable = Vec::new();
    for argument in &method.arguments {
        match (layout::written_width(argument), argument) {
            (Some(width), _) => fixed += width,
            (None, Argument::Field(field)) => {
                let name = ident(&field.name.snake);
                fixed += layout::empty_width(field.wire);
                variable.push(quote!(self.#name.len()));
            }
            (None, Argument::Bits(_)) => {}
        }
    }
    let fixed = decimal(fixed as u64);
    quote!(#fixed #(+ #variable)*)
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
