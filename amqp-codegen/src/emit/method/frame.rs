//! For methods whose size does not depend on their values: the whole frame on the stack.

use proc_macro2::TokenStream;
use quote::quote;

use super::bits::{packed, reserved, reserved_bits};
use crate::emit::docs;
use crate::emit::format::{decimal, ident};
use crate::emit::layout::{self, FRAME_OVERHEAD, IDS};
use crate::emit::scope::method_type;
use crate::model::{Argument, FieldType, Method};

/// For a method whose size does not depend on its values: its frame on the stack.
pub(super) fn items(method: &Method) -> TokenStream {
    let Some(size) = layout::fixed_size(method) else {
        return TokenStream::new();
    };
    let docs = docs::comment(
        &[
            "Makes the complete frame on the stack: type, channel, size, payload, end octet."
                .to_owned(),
        ],
        4,
    );
    let name = method_type(method, "_");
    let payload = payload_len(size);
    let arguments = (!layout::is_constant(method)).then(|| {
        let start = decimal(11u8);
        let end = decimal((11 + size) as u64);
        quote!(frame[#start..#end].copy_from_slice(&self.to_octets());)
    });
    let last = decimal((10 + size + 1) as u64);
    let total = decimal((FRAME_OVERHEAD + IDS + size) as u64);
    let to_octets = to_octets(method, size);
    quote! {
        impl #name {
            #docs
            #[inline]
            #[must_use]
            pub fn to_frame(self, channel: u16) -> [u8; #total] {
                let mut frame = [0; #total];
                frame[0] = 1;
                frame[1..3].copy_from_slice(&channel.to_be_bytes());
                frame[3..7].copy_from_slice(&u32::to_be_bytes(#payload));
                frame[7..11].copy_from_slice(&Self::ID.to_be_bytes());
                #arguments
                frame[#last] = 0xCE;
                frame
            }
            #to_octets
        }
    }
}

/// The length of ids and arguments.
fn payload_len(size: usize) -> TokenStream {
    let ids = decimal(IDS as u64);
    let arguments = (size > 0).then(|| {
        let size = decimal(size as u64);
        quote!(+ #size)
    });
    quote!(#ids #arguments)
}

/// The arguments as octets on the stack, written by both `to_frame` and `encode_arguments`.
fn to_octets(method: &Method, size: usize) -> TokenStream {
    if layout::is_constant(method) {
        return TokenStream::new();
    }
    let docs = docs::comment(&["Makes the arguments, on the stack.".to_owned()], 4);
    let size = decimal(size as u64);
    let mut offset = 0;
    let mut steps = Vec::new();
    for argument in &method.arguments {
        let width = layout::written_width(argument).unwrap_or_default();
        steps.push(fixed_step(argument, offset, width));
        offset += width;
    }
    quote! {
        #docs
        #[inline]
        fn to_octets(self) -> [u8; #size] {
            let mut arguments = [0; #size];
            #(#steps)*
            arguments
        }
    }
}

/// One argument at its place in the array, which is zero before.
fn fixed_step(argument: &Argument, offset: usize, width: usize) -> TokenStream {
    let start = decimal(offset as u64);
    let end = decimal((offset + width) as u64);
    match argument {
        Argument::Field(field) if field.reserved => reserved(field),
        Argument::Field(field) => {
            let name = ident(&field.name.snake);
            match field.wire {
                FieldType::Octet => quote!(arguments[#start] = self.#name;),
                FieldType::Timestamp => {
                    quote!(arguments[#start..#end].copy_from_slice(&self.#name.0.to_be_bytes());)
                }
                _ => quote!(arguments[#start..#end].copy_from_slice(&self.#name.to_be_bytes());),
            }
        }
        Argument::Bits(group) => {
            let comment = reserved_bits(group);
            match packed(group) {
                Some(bits) => quote!(#comment arguments[#start] = #bits;),
                None => comment,
            }
        }
    }
}
