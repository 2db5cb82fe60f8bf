//! Bits that share an octet, and what a person would note about reserved fields.

use proc_macro2::TokenStream;
use quote::quote;

use crate::emit::format::{comment, decimal, ident};
use crate::model::{BitGroup, Field};

/// The octet of a bit group, or `None` if every bit is reserved.
pub(super) fn packed(group: &BitGroup) -> Option<TokenStream> {
    let bits = group
        .bits()
        .iter()
        .enumerate()
        .filter(|(_, bit)| !bit.reserved);
    let bits: Vec<_> = bits
        .map(|(index, bit)| {
            let name = ident(&bit.name.snake);
            (index, quote!(u8::from(self.#name)))
        })
        .collect();
    let alone = bits.len() == 1;
    let bits = bits.into_iter().map(|(index, bit)| {
        let shift = decimal(index as u64);
        match index {
            0 => bit,
            _ if alone => quote!(#bit << #shift),
            _ => quote!((#bit << #shift)),
        }
    });
    let bits: Vec<_> = bits.collect();
    (!bits.is_empty()).then(|| quote!(#(#bits)|*))
}

/// The remark on a reserved field.
pub(super) fn reserved(field: &Field) -> TokenStream {
    comment(&format!("`{}` is reserved.", field.name))
}

/// The remark on reserved bits, if there are any.
pub(super) fn reserved_bits(group: &BitGroup) -> TokenStream {
    let reserved = group.bits().iter().filter(|bit| bit.reserved);
    let reserved: Vec<_> = reserved.map(|bit| format!("`{}`", bit.name)).collect();
    match &*reserved {
        [] => TokenStream::new(),
        [name] => comment(&format!("{name} is reserved.")),
        names => comment(&format!("{} are reserved.", names.join(", "))),
    }
}
